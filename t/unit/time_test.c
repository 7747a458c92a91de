
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_time.h"


typedef struct {
    ngx_iot_msec_t   ms;
    const char      *text;
} time_case_t;


static const time_case_t  times[] = {

    { 0, "1970-01-01T00:00:00.000Z" },
    { 1, "1970-01-01T00:00:00.001Z" },
    { 10, "1970-01-01T00:00:00.010Z" },
    { 999, "1970-01-01T00:00:00.999Z" },
    { 1000, "1970-01-01T00:00:01.000Z" },
    { 86399999, "1970-01-01T23:59:59.999Z" },
    { 86400000, "1970-01-02T00:00:00.000Z" },

    /* the first leap day, and 2000, which is a leap year */

    { 68169600000, "1972-02-29T00:00:00.000Z" },
    { 68256000000, "1972-03-01T00:00:00.000Z" },
    { 951782400000, "2000-02-29T00:00:00.000Z" },
    { 951868800000, "2000-03-01T00:00:00.000Z" },

    /* the ends of years */

    { 946684799999, "1999-12-31T23:59:59.999Z" },
    { 946684800000, "2000-01-01T00:00:00.000Z" },
    { 978307199999, "2000-12-31T23:59:59.999Z" },
    { 1735689599999, "2024-12-31T23:59:59.999Z" },
    { 1735689600000, "2025-01-01T00:00:00.000Z" },

    { 1234567890123, "2009-02-13T23:31:30.123Z" },
    { 1709251199000, "2024-02-29T23:59:59.000Z" },
    { 1740787200000, "2025-03-01T00:00:00.000Z" },

    /* 2 ** 31 seconds, and the last year that UTCTime can write */

    { 2147483647999, "2038-01-19T03:14:07.999Z" },
    { 2147483648000, "2038-01-19T03:14:08.000Z" },
    { 2524607999999, "2049-12-31T23:59:59.999Z" },
    { 2524608000000, "2050-01-01T00:00:00.000Z" },

    /* 2100 is no leap year; 2 ** 32 seconds */

    { 4107542399999, "2100-02-28T23:59:59.999Z" },
    { 4107542400000, "2100-03-01T00:00:00.000Z" },
    { 4294967296000, "2106-02-07T06:28:16.000Z" },

    /* the last moment that has a form of its own */

    { 253402300799998, "9999-12-31T23:59:59.998Z" },
    { 253402300799999, "9999-12-31T23:59:59.999Z" },
    { 253402300800000, "9999-12-31T23:59:59.999Z" },
    { (ngx_iot_msec_t) -1, "9999-12-31T23:59:59.999Z" }
};


typedef struct {
    const char      *text;
    ngx_iot_msec_t   ms;
} time_text_t;


/* what others write for a time */

static const time_text_t  texts[] = {

    { "1970-01-01T00:00:00Z", 0 },
    { "2009-02-13T23:31:30Z", 1234567890000 },
    { "2009-02-13t23:31:30z", 1234567890000 },
    { "2009-02-13T23:31:30.1Z", 1234567890100 },
    { "2009-02-13T23:31:30.12Z", 1234567890120 },
    { "2009-02-13T23:31:30.123Z", 1234567890123 },
    { "2009-02-13T23:31:30.123456Z", 1234567890123 },
    { "2009-02-13T23:31:30.123999999Z", 1234567890123 },
    { "2009-02-13T23:31:30.00099999999999999999999999Z", 1234567890000 },
    { "2009-02-14T02:31:30+03:00", 1234567890000 },
    { "2009-02-13T14:01:30-09:30", 1234567890000 },
    { "2009-02-13T23:31:30.5-00:00", 1234567890500 },
    { "1970-01-01T23:59:00+23:59", 0 },
    { "2000-02-29T00:00:00Z", 951782400000 },
    { "9999-12-31T23:59:59.999Z", 253402300799999 }
};


static const char  *others[] = {
    "", "Z", "2009", "2009-02-13", "2009-02-13T23:31:30",
    "2009-02-13T23:31:30.", "2009-02-13T23:31:30.Z", "2009-02-13T23:31:30,5Z",
    "2009-02-13 23:31:30Z", "2009-02-13T23:31Z", "2009-2-13T23:31:30Z",
    "20090213T233130Z", " 2009-02-13T23:31:30Z", "2009-02-13T23:31:30Z ",
    "2009-02-13T23:31:30ZZ", "2009-02-13T23:31:30+0300",
    "2009-02-13T23:31:30+03", "2009-02-13T23:31:30+03:00Z",
    "2009-02-13T23:31:30+24:00", "2009-02-13T23:31:30+03:60",
    "2009-02-13T23:31:30.5.5Z", "2009-02-13T23:31:30.-5Z",
    "2009-02-13T24:00:00Z", "2009-02-13T23:60:00Z", "2009-02-13T23:59:60Z",
    "2009-00-13T23:31:30Z", "2009-13-13T23:31:30Z", "2009-02-00T23:31:30Z",
    "2009-02-29T23:31:30Z", "1900-02-29T23:31:30Z", "2009-04-31T23:31:30Z",
    "2009-01-32T23:31:30Z", "+009-02-13T23:31:30Z", "-009-02-13T23:31:30Z",
    "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00+00:01",
    "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-00:01", "1234567890",
    "today"
};


static void test_times(void);
static void test_texts(void);
static void test_every_day(void);
static ngx_uint_t days_of_month(ngx_uint_t year, ngx_uint_t month);


int
main(void)
{
    test_times();
    test_texts();
    test_every_day();

    return unit_done();
}


static void
test_times(void)
{
    u_char      *end, buf[NGX_IOT_TIME_LEN];
    ngx_str_t    text;
    ngx_uint_t   i;

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        end = ngx_iot_time_format(buf, times[i].ms);

        text.len = end - buf;
        text.data = buf;

        unit_is_str(&text, times[i].text, "%ju ms is %s",
                    (uintmax_t) times[i].ms, times[i].text);
    }
}


/* each from memory of its size, so that a read past it is seen */
static void
test_texts(void)
{
    ngx_str_t        text;
    ngx_uint_t       i;
    ngx_pool_t      *pool;
    ngx_iot_msec_t   ms;

    pool = unit_pool();

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        text = unit_copy(pool, texts[i].text, ngx_strlen(texts[i].text));
        ms = 0;

        unit_is_int(ngx_iot_time_parse(&text, &ms), NGX_OK, "%s is a time",
                    texts[i].text);
        unit_is_int(ms, texts[i].ms, "%s is %ju ms", texts[i].text,
                    (uintmax_t) texts[i].ms);
    }

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        text = unit_copy(pool, others[i], ngx_strlen(others[i]));

        unit_is_int(ngx_iot_time_parse(&text, &ms), NGX_DECLINED,
                    "\"%s\" is no time", others[i]);
    }
}


/* a calendar that counts days agrees, from the epoch to the end of 2400 */
static void
test_every_day(void)
{
    u_char           buf[NGX_IOT_TIME_LEN];
    u_char           expected[NGX_IOT_TIME_LEN];
    ngx_str_t        text;
    ngx_uint_t       year, month, day, differ;
    ngx_iot_msec_t   ms, parsed;

    text.data = buf;
    text.len = NGX_IOT_TIME_LEN;

    ms = 0;
    differ = 0;

    for (year = 1970; year <= 2400; year++) {
        for (month = 1; month <= 12; month++) {
            for (day = 1; day <= days_of_month(year, month); day++) {

                ngx_sprintf(expected, "%04ui-%02ui-%02uiT00:00:00.000Z",
                            year, month, day);
                ngx_iot_time_format(buf, ms);

                if (ngx_memcmp(buf, expected, NGX_IOT_TIME_LEN) != 0
                    || ngx_iot_time_parse(&text, &parsed) != NGX_OK
                    || parsed != ms)
                {
                    differ++;
                }

                ms += 86400000;
            }
        }
    }

    unit_is_int(differ, 0, "every day from 1970 to 2400");
}


static ngx_uint_t
days_of_month(ngx_uint_t year, ngx_uint_t month)
{
    if (month == 2) {
        return (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
               ? 29 : 28;
    }

    return (month == 4 || month == 6 || month == 9 || month == 11) ? 30 : 31;
}
