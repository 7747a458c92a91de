
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_pem.h"


/*
 * PEM by RFC 7468.  A block begins and ends with a line of its own that starts
 * in the first column; blanks may follow, then LF, CRLF or CR.  Between the
 * lines is base64 with white space anywhere.  What is outside of a
 * certificate's block is text, and blocks of other kinds are text too.
 *
 * The text is handed out again, and its readers must not find in it another
 * certificate than the one that was checked here.  So it is refused where
 * OpenSSL, which takes text before an empty line inside of a block as headers
 * and has lines begin anew after 254 characters, would read it otherwise.
 */


/* of DER; a line of 64 characters in base64 */
#define NGX_IOT_PEM_LINE_LEN   48

/* how far behind BEGIN the words PRIVATE KEY are looked for */
#define NGX_IOT_PEM_LABEL_MAX  80

/* what is no digit in the table below; digits are less than 64 */
#define NGX_IOT_PEM_BLANK      64
#define NGX_IOT_PEM_PAD        65
#define NGX_IOT_PEM_BAD        66


/* what begins or ends a block */

typedef struct {
    u_char      *start;
    u_char      *last;          /* the end of the line, without LF or CR */
    ngx_uint_t   begin;         /* unsigned  begin:1; or else END */
    ngx_uint_t   whole;         /* unsigned  whole:1; alone on its line */
    ngx_str_t    label;         /* or what stands in its place */
} ngx_iot_pem_line_t;


typedef struct {
    ngx_str_t    label;
    ngx_str_t    message;
} ngx_iot_pem_foreign_t;


static ngx_uint_t ngx_iot_pem_private_label(const u_char *p,
    const u_char *last);
static ngx_int_t ngx_iot_pem_find(const ngx_str_t *pem, ngx_str_t *base64,
    ngx_iot_error_t *err);
static ngx_int_t ngx_iot_pem_find_end(const ngx_str_t *pem,
    ngx_iot_pem_line_t *line, ngx_str_t *base64, ngx_iot_error_t *err);
static ngx_int_t ngx_iot_pem_judge(const ngx_iot_pem_line_t *line,
    ngx_str_t *missing, ngx_iot_error_t *err);
static const ngx_iot_pem_foreign_t *ngx_iot_pem_look_up(
    const ngx_iot_pem_foreign_t *foreign, ngx_uint_t n,
    const ngx_str_t *label);
static ngx_uint_t ngx_iot_pem_next(const ngx_str_t *pem, u_char *p,
    ngx_iot_pem_line_t *line);
static void ngx_iot_pem_parse(ngx_iot_pem_line_t *line, u_char *end);
static ngx_uint_t ngx_iot_pem_is_certificate(const ngx_iot_pem_line_t *line);
static ngx_uint_t ngx_iot_pem_is(const ngx_str_t *label,
    const ngx_str_t *name);
static u_char *ngx_iot_pem_base64(u_char *dst, u_char **src, u_char *last);
static u_char *ngx_iot_pem_base64_quads(u_char *dst, u_char **src,
    u_char *last);
static u_char *ngx_iot_pem_base64_end(u_char *dst, uint32_t bits,
    ngx_uint_t n, ngx_uint_t pad);
static ngx_uint_t ngx_iot_pem_line_number(const ngx_str_t *pem,
    const u_char *pos);


static const ngx_str_t  ngx_iot_pem_certificate = ngx_string("CERTIFICATE");


/* certificates in another wrapping: refused also beside a CERTIFICATE */

static const ngx_iot_pem_foreign_t  ngx_iot_pem_wrapped[] = {

    { ngx_string("TRUSTED CERTIFICATE"),
      ngx_string("the PEM block is a TRUSTED CERTIFICATE of OpenSSL; "
                 "\"openssl x509\" makes a CERTIFICATE of it") },

    { ngx_string("X509 CERTIFICATE"),
      ngx_string("the PEM block is labelled X509 CERTIFICATE; "
                 "\"openssl x509\" makes a CERTIFICATE of it") }
};

#define NGX_IOT_PEM_WRAPPED                                                   \
    (sizeof(ngx_iot_pem_wrapped) / sizeof(ngx_iot_pem_foreign_t))


/* sent by mistake where a certificate belongs */

static const ngx_iot_pem_foreign_t  ngx_iot_pem_mistaken[] = {

    { ngx_string("CERTIFICATE REQUEST"),
      ngx_string("the PEM block is a request for a certificate (CSR), "
                 "not a certificate") },

    { ngx_string("NEW CERTIFICATE REQUEST"),
      ngx_string("the PEM block is a request for a certificate (CSR), "
                 "not a certificate") },

    { ngx_string("PUBLIC KEY"),
      ngx_string("the PEM block is a public key, not a certificate") },

    { ngx_string("RSA PUBLIC KEY"),
      ngx_string("the PEM block is a public key, not a certificate") },

    { ngx_string("PKCS7"),
      ngx_string("the PEM block is a PKCS #7 container; \"openssl pkcs7 "
                 "-print_certs\" takes the certificates out of it") }
};

#define NGX_IOT_PEM_MISTAKEN                                                  \
    (sizeof(ngx_iot_pem_mistaken) / sizeof(ngx_iot_pem_foreign_t))


/* RFC 4648, section 4 */

static const u_char  ngx_iot_pem_table[] = {
    66, 66, 66, 66, 66, 66, 66, 66, 66, 64, 64, 64, 64, 64, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    64, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 62, 66, 66, 66, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 66, 66, 66, 65, 66, 66,
    66,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 66, 66, 66, 66, 66,
    66, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66
};


ngx_int_t
ngx_iot_pem_read(ngx_pool_t *pool, const ngx_str_t *pem,
    ngx_str_t *der, ngx_iot_error_t *err)
{
    u_char     *p, *last;
    ngx_str_t   base64;

    if (ngx_iot_pem_find(pem, &base64, err) != NGX_OK) {
        return NGX_DECLINED;
    }

    der->data = ngx_pnalloc(pool, ngx_base64_decoded_length(base64.len));
    if (der->data == NULL) {
        return NGX_ERROR;
    }

    p = base64.data;

    last = ngx_iot_pem_base64(der->data, &p, base64.data + base64.len);
    if (last == NULL) {
        ngx_iot_error_format(pool, err, NGX_IOT_REASON_CERTIFICATE_BAD_BASE64,
                             "the base64 of the PEM block is broken in line "
                             "%ui of the text",
                             ngx_iot_pem_line_number(pem, p));
        return NGX_DECLINED;
    }

    der->len = last - der->data;

    if (der->len == 0) {
        ngx_iot_error(err, CERTIFICATE_BAD_PEM, "the PEM block is empty");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_iot_pem_write(ngx_pool_t *pool, const ngx_str_t *der,
    ngx_str_t *pem)
{
    size_t      left, lines;
    u_char     *p;
    ngx_str_t   src, dst;

    static const ngx_str_t  begin =
                                   ngx_string("-----BEGIN CERTIFICATE-----\n");
    static const ngx_str_t  end = ngx_string("-----END CERTIFICATE-----\n");

    src.len = NGX_IOT_PEM_LINE_LEN;
    src.data = der->data;

    lines = (der->len + src.len - 1) / src.len;

    p = ngx_pnalloc(pool, begin.len + ngx_base64_encoded_length(der->len)
                          + lines + end.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    pem->data = p;

    p = ngx_cpymem(p, begin.data, begin.len);

    for (left = der->len; left; left -= src.len) {
        src.len = ngx_min(src.len, left);
        dst.data = p;

        ngx_encode_base64(&dst, &src);

        p += dst.len;
        *p++ = LF;

        src.data += src.len;
    }

    p = ngx_cpymem(p, end.data, end.len);

    pem->len = p - pem->data;

    return NGX_OK;
}


/*
 * A private key must not be stored, so what passes for one is taken widely:
 * BEGIN or END behind dashes, anywhere and in any case, and the words PRIVATE
 * KEY behind it on the line, whatever stands between the letters.
 */
ngx_uint_t
ngx_iot_pem_has_private_key(const ngx_str_t *pem)
{
    const u_char  *p, *last;

    p = pem->data;
    last = pem->data + pem->len;

    for ( ;; ) {
        p = memchr(p, '-', last - p);
        if (p == NULL) {
            return 0;
        }

        while (p < last && (*p == '-' || *p == ' ' || *p == '\t')) {
            p++;
        }

        if (ngx_iot_pem_private_label(p, last)) {
            return 1;
        }
    }
}


static ngx_uint_t
ngx_iot_pem_private_label(const u_char *p, const u_char *last)
{
    u_char         c;
    const u_char  *word;

    static const u_char  key[] = "privatekey";

    if (last - p > NGX_IOT_PEM_LABEL_MAX) {
        last = p + NGX_IOT_PEM_LABEL_MAX;
    }

    if (last - p < 5) {
        return 0;
    }

    if (ngx_strncasecmp((u_char *) p, (u_char *) "BEGIN", 5) != 0
        && ngx_strncasecmp((u_char *) p, (u_char *) "END", 3) != 0)
    {
        return 0;
    }

    word = key;

    for ( /* void */ ; p < last && *p != LF && *p != CR; p++) {
        c = *p | 0x20;

        if (c < 'a' || c > 'z') {
            continue;
        }

        if (c != *word) {
            word = key;
        }

        if (c == *word && *++word == '\0') {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_iot_pem_find(const ngx_str_t *pem, ngx_str_t *base64,
    ngx_iot_error_t *err)
{
    u_char              *p;
    ngx_str_t            missing;
    ngx_iot_pem_line_t   line;

    base64->data = NULL;

    ngx_str_set(&missing, "the text has no line "
                          "\"-----BEGIN CERTIFICATE-----\"");

    for (p = pem->data; ngx_iot_pem_next(pem, p, &line); p = line.last) {

        if (!line.begin || !ngx_iot_pem_is_certificate(&line)) {

            if (ngx_iot_pem_judge(&line, &missing, err) != NGX_OK) {
                return NGX_DECLINED;
            }

            continue;
        }

        if (base64->data) {
            ngx_iot_error(err, CERTIFICATE_SEVERAL_PEM,
                          "the text has several certificates, send them one "
                          "by one");
            return NGX_DECLINED;
        }

        if (ngx_iot_pem_find_end(pem, &line, base64, err) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    if (base64->data == NULL) {
        ngx_iot_error(err, CERTIFICATE_NO_PEM, "");
        err->message = missing;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* line: in, that which begins the block; out, that which ends it */
static ngx_int_t
ngx_iot_pem_find_end(const ngx_str_t *pem, ngx_iot_pem_line_t *line,
    ngx_str_t *base64, ngx_iot_error_t *err)
{
    base64->data = line->last;

    if (!ngx_iot_pem_next(pem, line->last, line)
        || line->begin || !ngx_iot_pem_is_certificate(line))
    {
        ngx_iot_error(err, CERTIFICATE_BAD_PEM,
                      "the PEM block is not ended by a line "
                      "\"-----END CERTIFICATE-----\"");
        return NGX_DECLINED;
    }

    base64->len = line->start - base64->data;

    return NGX_OK;
}


/* a line outside of the block; missing: what to say if that is all there is */
static ngx_int_t
ngx_iot_pem_judge(const ngx_iot_pem_line_t *line, ngx_str_t *missing,
    ngx_iot_error_t *err)
{
    const ngx_iot_pem_foreign_t  *foreign;

    if (ngx_iot_pem_is_certificate(line)) {
        ngx_iot_error(err, CERTIFICATE_BAD_PEM,
                      "a PEM block is ended that was not begun by a line "
                      "\"-----BEGIN CERTIFICATE-----\"");
        return NGX_DECLINED;
    }

    if (!line->whole) {

        if (ngx_strlcasestrn(line->label.data, line->last,
                             ngx_iot_pem_certificate.data,
                             ngx_iot_pem_certificate.len - 1)
            == NULL)
        {
            return NGX_OK;
        }

        ngx_iot_error(err, CERTIFICATE_BAD_PEM,
                      "a BEGIN or END line of a certificate is damaged, or "
                      "does not stand alone on its line");
        return NGX_DECLINED;
    }

    if (!line->begin) {
        return NGX_OK;
    }

    foreign = ngx_iot_pem_look_up(ngx_iot_pem_wrapped,
                                  NGX_IOT_PEM_WRAPPED, &line->label);
    if (foreign) {
        ngx_iot_error(err, CERTIFICATE_NO_PEM, "");
        err->message = foreign->message;
        return NGX_DECLINED;
    }

    foreign = ngx_iot_pem_look_up(ngx_iot_pem_mistaken,
                                  NGX_IOT_PEM_MISTAKEN, &line->label);
    if (foreign) {
        *missing = foreign->message;

    } else {
        ngx_str_set(missing, "the text has a PEM block, but no CERTIFICATE");
    }

    return NGX_OK;
}


static const ngx_iot_pem_foreign_t *
ngx_iot_pem_look_up(const ngx_iot_pem_foreign_t *foreign, ngx_uint_t n,
    const ngx_str_t *label)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (ngx_iot_pem_is(label, &foreign[i].label)) {
            return &foreign[i];
        }
    }

    return NULL;
}


/* finds the next BEGIN or END from p on, alone on its line or not */
static ngx_uint_t
ngx_iot_pem_next(const ngx_str_t *pem, u_char *p, ngx_iot_pem_line_t *line)
{
    u_char  *end;

    end = pem->data + pem->len;

    for ( ;; ) {
        p = memchr(p, '-', end - p);
        if (p == NULL) {
            return 0;
        }

        if (end - p > 11 && ngx_memcmp(p, "-----BEGIN ", 11) == 0) {
            line->begin = 1;
            line->label.data = p + 11;
            break;
        }

        if (end - p > 9 && ngx_memcmp(p, "-----END ", 9) == 0) {
            line->begin = 0;
            line->label.data = p + 9;
            break;
        }

        p++;
    }

    line->start = p;

    ngx_iot_pem_parse(line, end);

    if (p != pem->data && p[-1] != LF && p[-1] != CR) {
        line->whole = 0;
    }

    return 1;
}


/* the rest of the line, from label.data on */
static void
ngx_iot_pem_parse(ngx_iot_pem_line_t *line, u_char *end)
{
    u_char  *p, *last;

    p = line->label.data;

    for (last = p; last < end && *last != LF && *last != CR; last++) {
        /* void */
    }

    line->last = last;

    while (last > p && (last[-1] == ' ' || last[-1] == '\t')) {
        last--;
    }

    while (last - p > 5 && (p[0] != '-' || p[1] != '-')) {
        p++;
    }

    line->label.len = p - line->label.data;
    line->whole = last - p == 5 && ngx_memcmp(p, "-----", 5) == 0;
}


static ngx_uint_t
ngx_iot_pem_is_certificate(const ngx_iot_pem_line_t *line)
{
    return line->whole
           && ngx_iot_pem_is(&line->label, &ngx_iot_pem_certificate);
}


static ngx_uint_t
ngx_iot_pem_is(const ngx_str_t *label, const ngx_str_t *name)
{
    return label->len == name->len
           && ngx_memcmp(label->data, name->data, name->len) == 0;
}


/*
 * Strict (RFC 4648, sections 3.2 to 3.5) but for white space: padding has to
 * be there, and the bits that it leaves over have to be zero.  An empty line
 * may come before and behind the base64, not inside.
 *
 * Returns the end of what was written at dst, at most 3 bytes for each 4 that
 * were read; or NULL, then *src is where it failed.
 */
static u_char *
ngx_iot_pem_base64(u_char *dst, u_char **src, u_char *last)
{
    u_char      *p, *start, digit;
    uint32_t     bits;
    ngx_uint_t   n, pad, lf, cr;

    n = 0;
    pad = 0;
    lf = 0;
    cr = 0;
    bits = 0;
    start = dst;

    for (p = *src; p < last; p++) {
        digit = ngx_iot_pem_table[*p];

        if (digit == NGX_IOT_PEM_BLANK) {
            lf += (*p == LF);
            cr += (*p == CR);
            continue;
        }

        if (digit == NGX_IOT_PEM_BAD
            || (digit != NGX_IOT_PEM_PAD && pad)
            || ((lf > 1 || cr > 1) && (n || dst != start)))
        {
            *src = p;
            return NULL;
        }

        lf = 0;
        cr = 0;

        if (digit == NGX_IOT_PEM_PAD) {
            pad++;
            continue;
        }

        bits = bits << 6 | digit;

        if (++n < 4) {
            continue;
        }

        n = 0;

        *dst++ = (u_char) (bits >> 16);
        *dst++ = (u_char) (bits >> 8);
        *dst++ = (u_char) bits;

        p++;
        dst = ngx_iot_pem_base64_quads(dst, &p, last);
        p--;
    }

    *src = last;

    return ngx_iot_pem_base64_end(dst, bits, n, pad);
}


/* the bulk: whole lines without white space; stops where there is some */
static u_char *
ngx_iot_pem_base64_quads(u_char *dst, u_char **src, u_char *last)
{
    u_char         *p;
    const u_char   *table;
    uint32_t        bits;

    table = ngx_iot_pem_table;

    for (p = *src; last - p >= 4; p += 4) {

        if ((table[p[0]] | table[p[1]] | table[p[2]] | table[p[3]])
            >= NGX_IOT_PEM_BLANK)
        {
            break;
        }

        bits = (uint32_t) table[p[0]] << 18 | table[p[1]] << 12
               | table[p[2]] << 6 | table[p[3]];

        *dst++ = (u_char) (bits >> 16);
        *dst++ = (u_char) (bits >> 8);
        *dst++ = (u_char) bits;
    }

    *src = p;

    return dst;
}


/* n digits are left over in bits, and pad characters of padding followed */
static u_char *
ngx_iot_pem_base64_end(u_char *dst, uint32_t bits, ngx_uint_t n,
    ngx_uint_t pad)
{
    if (n == 0 && pad == 0) {
        return dst;
    }

    if (n == 2 && pad == 2 && (bits & 0x0f) == 0) {
        *dst++ = (u_char) (bits >> 4);
        return dst;
    }

    if (n == 3 && pad == 1 && (bits & 0x03) == 0) {
        *dst++ = (u_char) (bits >> 10);
        *dst++ = (u_char) (bits >> 2);
        return dst;
    }

    return NULL;
}


static ngx_uint_t
ngx_iot_pem_line_number(const ngx_str_t *pem, const u_char *pos)
{
    ngx_uint_t     n;
    const u_char  *p;

    n = 1;

    for (p = pem->data; p < pos; p++) {

        if (*p == LF || (*p == CR && (p + 1 == pos || p[1] != LF))) {
            n++;
        }
    }

    return n;
}
