
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "asn1.h"


#define FUZZ_ASN1_NODES  256
#define FUZZ_ASN1_DEPTH  16

#define FUZZ_ASN1_KEPT      64
#define FUZZ_ASN1_KEPT_MAX  2048

#define FUZZ_ASN1_INTEGER     0x02
#define FUZZ_ASN1_BIT_STRING  0x03
#define FUZZ_ASN1_OCTETS      0x04
#define FUZZ_ASN1_OID         0x06
#define FUZZ_ASN1_UTC_TIME    0x17
#define FUZZ_ASN1_TIME        0x18
#define FUZZ_ASN1_EXTENSIONS  0xa3


typedef struct {
    size_t             pos;             /* of the tag */
    size_t             header;
    size_t             len;             /* of what it holds */
    ngx_int_t          parent;          /* -1: none */
    ngx_uint_t         depth;
} fuzz_asn1_node_t;


typedef struct {
    uint8_t           *data;
    size_t             size;
    size_t             max;
    ngx_uint_t         n;
    fuzz_asn1_node_t   nodes[FUZZ_ASN1_NODES];
} fuzz_asn1_t;


static size_t fuzz_asn1_begin(uint8_t *data, size_t size, size_t max);
static void fuzz_asn1_mutate_node(fuzz_asn1_t *der, ngx_uint_t kind);
static ngx_int_t fuzz_asn1_parse(fuzz_asn1_t *der, size_t pos, size_t end,
    ngx_int_t parent, ngx_uint_t depth);
static ngx_int_t fuzz_asn1_header(const fuzz_asn1_t *der, size_t pos,
    size_t end, fuzz_asn1_node_t *node);
static void fuzz_asn1_parse_inside(fuzz_asn1_t *der, ngx_int_t i);
static size_t fuzz_asn1_write_header(uint8_t *p, uint8_t tag, size_t len);
static void fuzz_asn1_splice(fuzz_asn1_t *der, ngx_int_t in, size_t pos,
    size_t old, const uint8_t *bytes, size_t len);

static void fuzz_asn1_change(fuzz_asn1_t *der, ngx_uint_t i);
static void fuzz_asn1_copy(fuzz_asn1_t *der, ngx_uint_t i, ngx_uint_t from,
    ngx_uint_t beside);
static void fuzz_asn1_exchange(fuzz_asn1_t *der, ngx_uint_t i);
static void fuzz_asn1_reverse(uint8_t *data, size_t len);
static void fuzz_asn1_replace_oid(fuzz_asn1_t *der);
static void fuzz_asn1_replace_time(fuzz_asn1_t *der);
static void fuzz_asn1_replace_integer(fuzz_asn1_t *der);
static void fuzz_asn1_add_extension(fuzz_asn1_t *der);
static void fuzz_asn1_spoil_length(fuzz_asn1_t *der, ngx_uint_t i);
static void fuzz_asn1_put(fuzz_asn1_t *der, ngx_uint_t i, uint8_t tag,
    const void *bytes, size_t len);
static ngx_int_t fuzz_asn1_find(const fuzz_asn1_t *der, uint8_t tag);
static ngx_uint_t fuzz_asn1_random(ngx_uint_t n);


static uint32_t  fuzz_asn1_state;

static struct {
    size_t    len;
    uint8_t   data[FUZZ_ASN1_KEPT_MAX];
}  fuzz_asn1_kept[FUZZ_ASN1_KEPT];

static ngx_uint_t  fuzz_asn1_nkept;

/* what is put in place of something; never larger than an input */
static uint8_t   fuzz_asn1_bytes[FUZZ_ASN1_MAX];


/* key types, curves, signatures and extensions */

static const ngx_str_t  fuzz_asn1_oids[] = {
    ngx_string("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"),     /* rsaEncryption */
    ngx_string("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"),     /* rsassaPss */
    ngx_string("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"),     /* sha1WithRSA */
    ngx_string("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"),     /* mgf1 */
    ngx_string("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"),     /* sha256WithRSA */
    ngx_string("\x2a\x86\x48\xce\x3d\x02\x01"),             /* ecPublicKey */
    ngx_string("\x2a\x86\x48\xce\x3d\x03\x01\x01"),         /* P-192 */
    ngx_string("\x2a\x86\x48\xce\x3d\x03\x01\x07"),         /* P-256 */
    ngx_string("\x2a\x86\x48\xce\x3d\x04\x03\x02"),         /* ecdsaSHA256 */
    ngx_string("\x2b\x81\x04\x00\x21"),                     /* P-224 */
    ngx_string("\x2b\x81\x04\x00\x22"),                     /* P-384 */
    ngx_string("\x2b\x81\x04\x00\x23"),                     /* P-521 */
    ngx_string("\x2b\x81\x04\x00\x0a"),                     /* secp256k1 */
    ngx_string("\x2b\x65\x6e"),                             /* X25519 */
    ngx_string("\x2b\x65\x70"),                             /* Ed25519 */
    ngx_string("\x2b\x65\x71"),                             /* Ed448 */
    ngx_string("\x2a\x86\x48\xce\x38\x04\x01"),             /* DSA */
    ngx_string("\x60\x86\x48\x01\x65\x03\x04\x02\x01"),     /* SHA-256 */
    ngx_string("\x2b\x0e\x03\x02\x1a"),                     /* SHA-1 */
    ngx_string("\x55\x1d\x0e"),                             /* subjectKeyId */
    ngx_string("\x55\x1d\x0f"),                             /* keyUsage */
    ngx_string("\x55\x1d\x11"),                             /* altName */
    ngx_string("\x55\x1d\x13"),                             /* constraints */
    ngx_string("\x55\x04\x03"),                             /* commonName */
    ngx_string("\x80\x01"),                                 /* not minimal */
    ngx_string("\x2b\x81")                                  /* cut off */
};


static const ngx_str_t  fuzz_asn1_times[] = {
    ngx_string("700101000000Z"), ngx_string("491231235959Z"),
    ngx_string("500101000000Z"), ngx_string("300101000000Z"),
    ngx_string("291231235959Z"), ngx_string("240229120000Z"),
    ngx_string("230229120000Z"), ngx_string("991301000000Z"),
    ngx_string("9901010000Z"), ngx_string("990101000000+0100"),
    ngx_string("20300101000000Z"), ngx_string("99991231235959Z"),
    ngx_string("20500101000000.5Z"), ngx_string("00000101000000Z"),
    ngx_string("19491231235959Z"), ngx_string("20491231235960Z")
};


static const ngx_str_t  fuzz_asn1_extensions[] = {
    /* basicConstraints, critical; keyUsage; an empty altName; one unknown */
    ngx_string("\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01"
               "\x01\xff"),
    ngx_string("\x30\x0b\x06\x03\x55\x1d\x0f\x04\x04\x03\x02\x05\xa0"),
    ngx_string("\x30\x09\x06\x03\x55\x1d\x11\x04\x02\x30\x00"),
    ngx_string("\x30\x0b\x06\x03\x2a\x03\x04\x01\x01\xff\x04\x01\x00"),
    ngx_string("\x30\x0b\x06\x03\x2a\x03\x04\x01\x01\x00\x04\x01\x00"),
    ngx_string("\x30\x07\x06\x03\x2a\x03\x04\x04\x00")
};


size_t
fuzz_asn1_mutate(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size_t       begun;
    ngx_uint_t   times;

    static fuzz_asn1_t  der;

    fuzz_asn1_state = seed | 1;

    max = ngx_min(max, FUZZ_ASN1_MAX);

    begun = fuzz_asn1_begin(data, size, max);
    times = begun ? 1 : 1 + fuzz_asn1_random(3);

    der.data = data;
    der.size = begun ? begun : size;
    der.max = max;

    while (times--) {
        der.n = 0;
        (void) fuzz_asn1_parse(&der, 0, der.size, -1, 0);

        if (der.n == 0 || der.size > der.max) {
            return LLVMFuzzerMutate(data, ngx_min(der.size, max), max);
        }

        fuzz_asn1_mutate_node(&der, fuzz_asn1_random(begun ? 32 : 16));
    }

    return der.size;
}


/* 0: data stays what it is */
static size_t
fuzz_asn1_begin(uint8_t *data, size_t size, size_t max)
{
    ngx_uint_t  i;

    if (fuzz_asn1_nkept == 0 || fuzz_asn1_random(4)) {
        return 0;
    }

    i = fuzz_asn1_random(ngx_min(fuzz_asn1_nkept, FUZZ_ASN1_KEPT));

    if (fuzz_asn1_kept[i].len > max) {
        return 0;
    }

    ngx_memcpy(data, fuzz_asn1_kept[i].data, fuzz_asn1_kept[i].len);

    return fuzz_asn1_kept[i].len;
}


void
fuzz_asn1_keep(const u_char *data, size_t size)
{
    ngx_uint_t  i;

    if (size > FUZZ_ASN1_KEPT_MAX) {
        return;
    }

    i = fuzz_asn1_nkept++ % FUZZ_ASN1_KEPT;

    fuzz_asn1_kept[i].len = size;
    ngx_memcpy(fuzz_asn1_kept[i].data, data, size);
}


static void
fuzz_asn1_mutate_node(fuzz_asn1_t *der, ngx_uint_t kind)
{
    uint8_t           *tag;
    ngx_uint_t         i;
    fuzz_asn1_node_t  *node;

    i = fuzz_asn1_random(der->n);
    node = &der->nodes[i];
    tag = &der->data[node->pos];

    switch (kind) {

    case 0:
        fuzz_asn1_copy(der, i, i, 1);
        break;

    case 1:
        fuzz_asn1_splice(der, node->parent, node->pos,
                         node->header + node->len, NULL, 0);
        break;

    case 2:
        fuzz_asn1_copy(der, i, fuzz_asn1_random(der->n), 0);
        break;

    case 3:
        fuzz_asn1_exchange(der, i);
        break;

    case 4:
        *tag = (uint8_t) fuzz_asn1_random(256);
        break;

    case 5:
        *tag ^= (uint8_t) (1 << fuzz_asn1_random(8));
        break;

    case 6:
    case 7:
        fuzz_asn1_replace_oid(der);
        break;

    case 8:
    case 9:
        fuzz_asn1_replace_time(der);
        break;

    case 10:
    case 11:
        fuzz_asn1_replace_integer(der);
        break;

    case 12:
        fuzz_asn1_add_extension(der);
        break;

    case 13:
        fuzz_asn1_spoil_length(der, i);
        break;

    default:
        fuzz_asn1_change(der, i);
    }
}


size_t
fuzz_asn1_graft(uint8_t *data, size_t size, size_t max, const uint8_t *other,
    size_t other_size, unsigned seed)
{
    ngx_uint_t                i, k, tries;
    const fuzz_asn1_node_t   *from, *to;

    static fuzz_asn1_t        der, donor;

    fuzz_asn1_state = seed | 1;

    der.data = data;
    der.size = size;
    der.max = ngx_min(max, FUZZ_ASN1_MAX);
    der.n = 0;

    donor.data = (uint8_t *) other;
    donor.size = other_size;
    donor.n = 0;

    (void) fuzz_asn1_parse(&der, 0, size, -1, 0);
    (void) fuzz_asn1_parse(&donor, 0, other_size, -1, 0);

    if (der.n == 0 || donor.n == 0) {
        return size;
    }

    for (tries = 0; tries < 16; tries++) {
        i = fuzz_asn1_random(der.n);
        k = fuzz_asn1_random(donor.n);

        to = &der.nodes[i];
        from = &donor.nodes[k];

        if (to->depth == from->depth
            && data[to->pos] == other[from->pos]
            && from->header + from->len <= FUZZ_ASN1_MAX)
        {
            fuzz_asn1_splice(&der, to->parent, to->pos, to->header + to->len,
                             other + from->pos, from->header + from->len);
            break;
        }
    }

    return der.size;
}


/* of what is no list of elements, those before that are taken */
static ngx_int_t
fuzz_asn1_parse(fuzz_asn1_t *der, size_t pos, size_t end, ngx_int_t parent,
    ngx_uint_t depth)
{
    fuzz_asn1_node_t  *node;

    while (pos < end) {

        if (der->n == FUZZ_ASN1_NODES) {
            return NGX_OK;
        }

        node = &der->nodes[der->n];

        if (fuzz_asn1_header(der, pos, end, node) != NGX_OK) {
            return NGX_DECLINED;
        }

        node->parent = parent;
        node->depth = depth;

        pos += node->header + node->len;

        fuzz_asn1_parse_inside(der, der->n++);
    }

    return NGX_OK;
}


static ngx_int_t
fuzz_asn1_header(const fuzz_asn1_t *der, size_t pos, size_t end,
    fuzz_asn1_node_t *node)
{
    size_t          n;
    const uint8_t  *p;

    p = der->data + pos;

    if (end - pos < 2 || (p[0] & 0x1f) == 0x1f) {
        return NGX_DECLINED;
    }

    node->pos = pos;
    node->header = 2;
    node->len = p[1];

    if (p[1] & 0x80) {
        n = p[1] & 0x7f;

        if (n == 0 || n > 3 || end - pos < 2 + n) {
            return NGX_DECLINED;
        }

        node->header += n;

        for (node->len = 0, p += 2; n; n--) {
            node->len = node->len << 8 | *p++;
        }
    }

    return node->len <= end - pos - node->header ? NGX_OK : NGX_DECLINED;
}


/* octets and bits may be DER too */
static void
fuzz_asn1_parse_inside(fuzz_asn1_t *der, ngx_int_t i)
{
    size_t             pos, end;
    uint8_t            tag;
    ngx_uint_t         n;
    fuzz_asn1_node_t  *node;

    node = &der->nodes[i];

    tag = der->data[node->pos];
    pos = node->pos + node->header;
    end = pos + node->len;

    if (tag == FUZZ_ASN1_BIT_STRING) {

        if (pos == end || der->data[pos++] != 0) {
            return;
        }

    } else if (!(tag & 0x20) && tag != FUZZ_ASN1_OCTETS) {
        return;
    }

    if (node->depth == FUZZ_ASN1_DEPTH) {
        return;
    }

    n = der->n;

    if (fuzz_asn1_parse(der, pos, end, i, node->depth + 1) != NGX_OK) {
        der->n = n;
    }
}


static size_t
fuzz_asn1_write_header(uint8_t *p, uint8_t tag, size_t len)
{
    size_t  n, i;

    *p++ = tag;

    if (len < 0x80) {
        *p = (uint8_t) len;
        return 2;
    }

    n = len > 0xffff ? 3 : len > 0xff ? 2 : 1;

    *p++ = (uint8_t) (0x80 | n);

    for (i = n; i; i--) {
        *p++ = (uint8_t) (len >> 8 * (i - 1));
    }

    return 2 + n;
}


/* bytes in place of old ones, which are in that node; sets lengths right */
static void
fuzz_asn1_splice(fuzz_asn1_t *der, ngx_int_t in, size_t pos, size_t old,
    const uint8_t *bytes, size_t len)
{
    size_t             header, end;
    uint8_t            head[5];
    ssize_t            delta;
    fuzz_asn1_node_t  *node;

    if (der->size - old + len + 3 * FUZZ_ASN1_DEPTH + 3 > der->max) {
        return;
    }

    ngx_memmove(der->data + pos + len, der->data + pos + old,
                der->size - pos - old);

    if (len) {
        ngx_memcpy(der->data + pos, bytes, len);
    }

    delta = (ssize_t) len - (ssize_t) old;
    der->size += delta;

    for ( /* void */ ; in >= 0; in = node->parent) {
        node = &der->nodes[in];

        header = fuzz_asn1_write_header(head, der->data[node->pos],
                                        node->len + delta);
        end = node->pos + node->header;

        ngx_memmove(der->data + node->pos + header, der->data + end,
                    der->size - end);
        ngx_memcpy(der->data + node->pos, head, header);

        delta += (ssize_t) header - (ssize_t) node->header;
        der->size += (ssize_t) header - (ssize_t) node->header;
    }
}


/* what it holds, as bytes */
static void
fuzz_asn1_change(fuzz_asn1_t *der, ngx_uint_t i)
{
    size_t             len;
    fuzz_asn1_node_t  *node;

    node = &der->nodes[i];
    len = node->len;

    if (len > 4096 || der->data[node->pos] & 0x20) {
        return;
    }

    ngx_memcpy(fuzz_asn1_bytes, der->data + node->pos + node->header, len);

    len = LLVMFuzzerMutate(fuzz_asn1_bytes, len, len + 16);

    fuzz_asn1_splice(der, i, node->pos + node->header, node->len,
                     fuzz_asn1_bytes, len);
}


static void
fuzz_asn1_copy(fuzz_asn1_t *der, ngx_uint_t i, ngx_uint_t from,
    ngx_uint_t beside)
{
    size_t             len;
    fuzz_asn1_node_t  *node;

    node = &der->nodes[from];
    len = node->header + node->len;

    ngx_memcpy(fuzz_asn1_bytes, der->data + node->pos, len);

    node = &der->nodes[i];

    fuzz_asn1_splice(der, node->parent, node->pos,
                     beside ? 0 : node->header + node->len, fuzz_asn1_bytes,
                     len);
}


/* with the one that follows it */
static void
fuzz_asn1_exchange(fuzz_asn1_t *der, ngx_uint_t i)
{
    size_t             len, next_len;
    uint8_t           *data;
    ngx_uint_t         k;
    fuzz_asn1_node_t  *node, *next;

    node = &der->nodes[i];
    len = node->header + node->len;

    for (k = i + 1; k < der->n; k++) {
        next = &der->nodes[k];

        if (next->parent == node->parent && next->pos == node->pos + len) {
            next_len = next->header + next->len;
            data = der->data + node->pos;

            fuzz_asn1_reverse(data, len);
            fuzz_asn1_reverse(data + len, next_len);
            fuzz_asn1_reverse(data, len + next_len);
            return;
        }
    }
}


static void
fuzz_asn1_reverse(uint8_t *data, size_t len)
{
    size_t   i;
    uint8_t  byte;

    for (i = 0; i < len / 2; i++) {
        byte = data[i];
        data[i] = data[len - 1 - i];
        data[len - 1 - i] = byte;
    }
}


static void
fuzz_asn1_replace_oid(fuzz_asn1_t *der)
{
    ngx_int_t         i;
    const ngx_str_t  *oid;

    i = fuzz_asn1_find(der, FUZZ_ASN1_OID);

    if (i >= 0) {
        oid = &fuzz_asn1_oids[fuzz_asn1_random(sizeof(fuzz_asn1_oids)
                                               / sizeof(ngx_str_t))];

        fuzz_asn1_put(der, i, FUZZ_ASN1_OID, oid->data, oid->len);
    }
}


static void
fuzz_asn1_replace_time(fuzz_asn1_t *der)
{
    ngx_int_t         i;
    const ngx_str_t  *time;

    i = fuzz_asn1_find(der, FUZZ_ASN1_UTC_TIME);

    if (i < 0 || fuzz_asn1_random(4) == 0) {
        i = fuzz_asn1_find(der, FUZZ_ASN1_TIME);
    }

    if (i >= 0) {
        time = &fuzz_asn1_times[fuzz_asn1_random(sizeof(fuzz_asn1_times)
                                                 / sizeof(ngx_str_t))];

        fuzz_asn1_put(der, i, time->len > 13 ? FUZZ_ASN1_TIME
                                             : FUZZ_ASN1_UTC_TIME,
                      time->data, time->len);
    }
}


/* small ones, and moduli: odd and with a byte of sign, most of them */
static void
fuzz_asn1_replace_integer(fuzz_asn1_t *der)
{
    size_t     k, len;
    ngx_int_t  i;

    static const size_t  sizes[] = {
        1, 2, 3, 4, 20, 21, 64, 65, 127, 128, 129, 255, 256, 257, 512, 513,
        1024, 2049
    };

    i = fuzz_asn1_find(der, FUZZ_ASN1_INTEGER);

    if (i < 0) {
        return;
    }

    len = sizes[fuzz_asn1_random(sizeof(sizes) / sizeof(sizes[0]))];

    for (k = 0; k < len; k++) {
        fuzz_asn1_bytes[k] = (uint8_t) fuzz_asn1_random(256);
    }

    if (fuzz_asn1_random(8)) {
        fuzz_asn1_bytes[0] = 0;
        fuzz_asn1_bytes[len > 1] |= 0x80 * (len > 1);
        fuzz_asn1_bytes[len - 1] |= 1;
    }

    fuzz_asn1_put(der, i, FUZZ_ASN1_INTEGER, fuzz_asn1_bytes, len);
}


static void
fuzz_asn1_add_extension(fuzz_asn1_t *der)
{
    ngx_int_t           i;
    const ngx_str_t    *extension;
    fuzz_asn1_node_t   *node;

    i = fuzz_asn1_find(der, FUZZ_ASN1_EXTENSIONS);

    if (i < 0 || i + 1 == (ngx_int_t) der->n) {
        return;
    }

    /* the list is what follows it */

    node = &der->nodes[i + 1];

    extension = &fuzz_asn1_extensions[
                    fuzz_asn1_random(sizeof(fuzz_asn1_extensions)
                                     / sizeof(ngx_str_t))];

    fuzz_asn1_splice(der, i + 1, node->pos + node->header, 0,
                     extension->data, extension->len);
}


/* one byte more than it needs, or none at all */
static void
fuzz_asn1_spoil_length(fuzz_asn1_t *der, ngx_uint_t i)
{
    uint8_t            head[5];
    fuzz_asn1_node_t  *node;

    node = &der->nodes[i];

    if (node->header != 2) {
        der->data[node->pos + 1] = (uint8_t) fuzz_asn1_random(256);
        return;
    }

    head[0] = der->data[node->pos];
    head[1] = fuzz_asn1_random(4) ? 0x81 : 0x80;
    head[2] = (uint8_t) node->len;

    fuzz_asn1_splice(der, node->parent, node->pos, 2, head, 3);
}


static void
fuzz_asn1_put(fuzz_asn1_t *der, ngx_uint_t i, uint8_t tag, const void *bytes,
    size_t len)
{
    fuzz_asn1_node_t  *node;

    node = &der->nodes[i];

    der->data[node->pos] = tag;

    fuzz_asn1_splice(der, i, node->pos + node->header, node->len, bytes, len);
}


/* one of those with the tag, by chance; -1: there is none */
static ngx_int_t
fuzz_asn1_find(const fuzz_asn1_t *der, uint8_t tag)
{
    ngx_uint_t  i, k;

    k = fuzz_asn1_random(der->n);

    for (i = 0; i < der->n; i++, k++) {
        if (der->data[der->nodes[k % der->n].pos] == tag) {
            return k % der->n;
        }
    }

    return -1;
}


static ngx_uint_t
fuzz_asn1_random(ngx_uint_t n)
{
    fuzz_asn1_state ^= fuzz_asn1_state << 13;
    fuzz_asn1_state ^= fuzz_asn1_state >> 17;
    fuzz_asn1_state ^= fuzz_asn1_state << 5;

    return fuzz_asn1_state % n;
}
