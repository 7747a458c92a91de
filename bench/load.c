
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


/*
 * load [-o FILE] [-d FILE] [-g PATH] [-t SECONDS]
 *     PORT CONNECTIONS COUNT REQUESTS
 *
 * Sends the first COUNT requests of the file REQUESTS to 127.0.0.1:PORT over
 * CONNECTIONS keep-alive connections, one at a time on each, none twice.  The
 * form of the file: four bytes of length, then the request as it goes over
 * the wire, and so on.  Answers have a Content-Length or come in chunks.
 *
 * Prints one line of NAME VALUE pairs; p50 and others are microseconds from
 * the first byte sent to the last one received.  Ends with 1 when an answer
 * was not 200, when a connection broke or when it took more than SECONDS.
 *
 * -o FILE: from each answer, an Operation, makes the request that gets it;
 * -d FILE: the request that deletes its certificate.
 *
 * -g PATH: the file has messages of gRPC, each with its prefix; they are sent
 * to PATH over HTTP/2 without TLS, one stream at a time on each connection.
 * An answer is good when it has a message: errors have trailers only.
 */


#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>


#define LOAD_CONNECTIONS  1024
#define LOAD_ANSWER       1048576
#define LOAD_MESSAGE      16384         /* the longest DATA of HTTP/2 */

#define LOAD_FRAME        9
#define LOAD_DATA         0
#define LOAD_HEADERS      1
#define LOAD_RST_STREAM   3
#define LOAD_SETTINGS     4
#define LOAD_PING         6
#define LOAD_GOAWAY       7

#define LOAD_ACK          0x1
#define LOAD_END_STREAM   0x1
#define LOAD_END_HEADERS  0x4


typedef struct {
    const char     *data;
    uint32_t        len;
} load_request_t;


typedef struct {
    int             fd;
    uint64_t        start;
    load_request_t  request;            /* what of it is not sent yet */
    size_t          received;
    size_t          expected;           /* 0: the header is not complete */
    int             chunked;

    uint32_t        stream;             /* of HTTP/2, the last one begun */
    int             message;            /* the answer has one */
    char           *frames;             /* one request */

    char            answer[LOAD_ANSWER];
} load_connection_t;


static load_request_t     *load_requests;
static long                load_count, load_sent, load_answered, load_bad;
static uint32_t           *load_latencies;
static unsigned long long  load_bytes_out, load_bytes_in;
static FILE               *load_operations, *load_deletes;
static const char         *load_grpc;


static void load_read_requests(const char *name);
static load_connection_t *load_connect(int port, int ep);
static void load_run(int ep, load_connection_t **connections, int n,
    int seconds);
static int load_event(load_connection_t *c, int ep, uint32_t events);
static int load_next(load_connection_t *c, int ep);
static int load_send(load_connection_t *c, int ep);
static int load_receive(load_connection_t *c);
static int load_header(load_connection_t *c);
static void load_h2_preface(load_connection_t *c);
static int load_h2_request(load_connection_t *c);
static size_t load_h2_headers(char *dst, int first);
static char *load_h2_literal(char *p, const char *start, const char *value);
static char *load_h2_frame(char *p, size_t len, int type, int flags,
    uint32_t stream);
static int load_h2_receive(load_connection_t *c);
static int load_h2_take(load_connection_t *c, const unsigned char *frame,
    size_t len);
static void load_done(load_connection_t *c);
static void load_operation(const char *body, size_t len);
static int load_value(const char *body, size_t len, const char *key,
    const char **value);
static void load_write(FILE *file, const char *method, const char *path,
    int path_len, const char *name, int len);
static FILE *load_create(const char *name);
static void load_print(double seconds);
static int load_compare(const void *one, const void *two);
static uint64_t load_now(void);
static void load_fail(const char *what);


int
main(int argc, char **argv)
{
    int                 opt, port, n, i, ep, seconds;
    uint64_t            start;
    load_connection_t  *connections[LOAD_CONNECTIONS];

    seconds = 60;

    while ((opt = getopt(argc, argv, "d:g:o:t:")) != -1) {

        switch (opt) {

        case 'd':
            load_deletes = load_create(optarg);
            break;

        case 'g':
            load_grpc = optarg;
            break;

        case 'o':
            load_operations = load_create(optarg);
            break;

        case 't':
            seconds = atoi(optarg);
            break;

        default:
            return 2;
        }
    }

    if (argc - optind != 4) {
        fprintf(stderr, "usage: %s [-o FILE] [-d FILE] [-g PATH] [-t SECONDS] "
                "PORT CONNECTIONS COUNT REQUESTS\n", argv[0]);
        return 2;
    }

    port = atoi(argv[optind]);
    n = atoi(argv[optind + 1]);
    load_count = atol(argv[optind + 2]);

    if (n < 1 || n > LOAD_CONNECTIONS || load_count < n) {
        fprintf(stderr, "load: from 1 to %d connections, and no fewer "
                "requests\n", LOAD_CONNECTIONS);
        return 2;
    }

    load_read_requests(argv[optind + 3]);

    load_latencies = malloc(load_count * sizeof(uint32_t));
    ep = epoll_create1(0);

    if (load_latencies == NULL || ep == -1) {
        load_fail("epoll_create1()");
    }

    for (i = 0; i < n; i++) {
        connections[i] = load_connect(port, ep);
    }

    start = load_now();

    load_run(ep, connections, n, seconds);
    load_print((load_now() - start) / 1e9);

    if ((load_operations && fclose(load_operations) != 0)
        || (load_deletes && fclose(load_deletes) != 0))
    {
        load_fail("fclose()");
    }

    return load_bad || load_answered != load_count;
}


static void
load_read_requests(const char *name)
{
    int          fd;
    long         i;
    char        *p, *last;
    uint32_t     len;
    struct stat  st;

    fd = open(name, O_RDONLY);

    if (fd == -1 || fstat(fd, &st) == -1) {
        load_fail(name);
    }

    p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE|MAP_POPULATE, fd, 0);
    load_requests = malloc(load_count * sizeof(load_request_t));

    if (p == MAP_FAILED || load_requests == NULL) {
        load_fail(name);
    }

    last = p + st.st_size;

    for (i = 0; i < load_count; i++) {

        if ((size_t) (last - p) < sizeof(len)) {
            fprintf(stderr, "load: %s has %ld requests only\n", name, i);
            exit(1);
        }

        memcpy(&len, p, sizeof(len));
        p += sizeof(len);

        if ((size_t) (last - p) < len) {
            fprintf(stderr, "load: %s is cut\n", name);
            exit(1);
        }

        load_requests[i].data = p;
        load_requests[i].len = len;
        p += len;
    }

    close(fd);
}


static load_connection_t *
load_connect(int port, int ep)
{
    int                 one;
    load_connection_t  *c;
    struct epoll_event  ee;
    struct sockaddr_in  sin;

    c = calloc(1, sizeof(load_connection_t));
    if (c == NULL) {
        load_fail("calloc()");
    }

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);

    if (c->fd == -1
        || connect(c->fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == -1
        || fcntl(c->fd, F_SETFL, O_NONBLOCK) == -1)
    {
        load_fail("connect()");
    }

    if (load_grpc) {
        load_h2_preface(c);
    }

    ee.events = EPOLLIN;
    ee.data.ptr = c;

    if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ee) == -1) {
        load_fail("epoll_ctl()");
    }

    return c;
}


static void
load_run(int ep, load_connection_t **connections, int n, int seconds)
{
    int                 i, nevents;
    uint64_t            end;
    struct epoll_event  events[LOAD_CONNECTIONS];

    end = load_now() + (uint64_t) seconds * 1000000000;

    for (i = 0; i < n; i++) {
        if (load_next(connections[i], ep) == -1) {
            load_fail("send()");
        }
    }

    while (load_answered < load_count) {

        nevents = epoll_wait(ep, events, LOAD_CONNECTIONS, 1000);

        if (nevents == -1 && errno != EINTR) {
            load_fail("epoll_wait()");
        }

        for (i = 0; i < nevents; i++) {
            if (load_event(events[i].data.ptr, ep, events[i].events) == -1) {
                load_fail("a connection");
            }
        }

        if (load_now() > end) {
            fprintf(stderr, "load: not done after %d s\n", seconds);
            return;
        }
    }
}


static int
load_event(load_connection_t *c, int ep, uint32_t events)
{
    int  rc;

    if ((events & EPOLLOUT) && load_send(c, ep) == -1) {
        return -1;
    }

    if (!(events & ~EPOLLOUT)) {
        return 0;
    }

    rc = load_receive(c);

    if (rc != 1) {
        return rc;
    }

    load_done(c);

    return load_next(c, ep);
}


static int
load_next(load_connection_t *c, int ep)
{
    if (load_sent == load_count) {
        return 0;
    }

    c->request = load_requests[load_sent++];
    c->received = 0;
    c->expected = 0;
    c->chunked = 0;
    c->start = load_now();

    if (load_grpc && load_h2_request(c) == -1) {
        return -1;
    }

    load_bytes_out += c->request.len;

    return load_send(c, ep);
}


static int
load_send(load_connection_t *c, int ep)
{
    ssize_t             n;
    struct epoll_event  ee;

    n = send(c->fd, c->request.data, c->request.len, MSG_NOSIGNAL);

    if (n == -1) {
        if (errno != EAGAIN) {
            return -1;
        }

        n = 0;
    }

    if (n == c->request.len && c->request.data) {
        c->request.len = 0;
        return 0;
    }

    c->request.data += n;
    c->request.len -= n;

    ee.events = c->request.len ? EPOLLIN|EPOLLOUT : EPOLLIN;
    ee.data.ptr = c;

    return epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ee);
}


/* 1: the answer is complete */
static int
load_receive(load_connection_t *c)
{
    ssize_t  n;

    n = recv(c->fd, c->answer + c->received, LOAD_ANSWER - 1 - c->received, 0);

    if (n == -1 && errno == EAGAIN) {
        return 0;
    }

    if (n <= 0) {
        return -1;
    }

    c->received += n;
    load_bytes_in += n;

    if (load_grpc) {
        return load_h2_receive(c);
    }

    if (c->expected == 0 && load_header(c) == -1) {
        return -1;
    }

    if (c->chunked) {
        return memcmp(c->answer + c->received - 7, "\r\n0\r\n\r\n", 7) == 0;
    }

    return c->expected && c->received >= c->expected;
}


static int
load_header(load_connection_t *c)
{
    char  *end, *line;

    c->answer[c->received] = '\0';

    end = strstr(c->answer, "\r\n\r\n");
    if (end == NULL) {
        return c->received == LOAD_ANSWER - 1 ? -1 : 0;
    }

    line = strcasestr(c->answer, "\r\nContent-Length:");

    if (line == NULL || line > end) {
        line = strcasestr(c->answer, "\r\nTransfer-Encoding: chunked\r\n");

        c->chunked = (line && line < end);
        c->expected = end + 4 - c->answer;

        return c->chunked ? 0 : -1;
    }

    line += sizeof("\r\nContent-Length:") - 1;

    c->expected = end + 4 - c->answer + strtoul(line, NULL, 10);

    return c->expected < LOAD_ANSWER ? 0 : -1;
}


/* no pushes, and room for all answers that there will be */
static void
load_h2_preface(load_connection_t *c)
{
    ssize_t  n;

    static const char  preface[] =
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        "\0\0\6\4\0\0\0\0\0\0\2\0\0\0\0"
        "\0\0\4\10\0\0\0\0\0\x7f\0\0\0";

    c->frames = malloc(LOAD_MESSAGE + 1024);
    n = send(c->fd, preface, sizeof(preface) - 1, MSG_NOSIGNAL);

    if (c->frames == NULL || n != sizeof(preface) - 1) {
        load_fail("preface");
    }
}


/* one HEADERS, one DATA */
static int
load_h2_request(load_connection_t *c)
{
    char    *p;
    size_t   len;

    if (c->request.len > LOAD_MESSAGE) {
        return -1;
    }

    len = load_h2_headers(c->frames + LOAD_FRAME, c->stream == 0);

    c->stream = c->stream ? c->stream + 2 : 1;
    c->message = 0;

    p = load_h2_frame(c->frames, len, LOAD_HEADERS, LOAD_END_HEADERS,
                      c->stream);
    p = load_h2_frame(p + len, c->request.len, LOAD_DATA, LOAD_END_STREAM,
                      c->stream);

    memcpy(p, c->request.data, c->request.len);

    c->request.len += p - c->frames;
    c->request.data = c->frames;

    return 0;
}


/* as clients do: the first request puts into the table what others refer to */
static size_t
load_h2_headers(char *dst, int first)
{
    char  *p;

    static const char  known[] = "\x83\x86\xc2\xc1\xc0\xbf\xbe";

    if (!first) {
        memcpy(dst, known, sizeof(known) - 1);
        return sizeof(known) - 1;
    }

    p = dst;
    *p++ = (char) 0x83;                 /* :method POST */
    *p++ = (char) 0x86;                 /* :scheme http */

    p = load_h2_literal(p, "\x44", load_grpc);
    p = load_h2_literal(p, "\x41", "bench");
    p = load_h2_literal(p, "\x5f", "application/grpc");
    p = load_h2_literal(p, "\x40\x02te", "trailers");
    p = load_h2_literal(p, "\x57", "Bearer bench");

    return p - dst;
}


static char *
load_h2_literal(char *p, const char *start, const char *value)
{
    p = stpcpy(p, start);
    *p++ = strlen(value);

    return stpcpy(p, value);
}


static char *
load_h2_frame(char *p, size_t len, int type, int flags, uint32_t stream)
{
    *p++ = len >> 16;
    *p++ = len >> 8;
    *p++ = len;
    *p++ = type;
    *p++ = flags;

    stream = htonl(stream);
    memcpy(p, &stream, sizeof(stream));

    return p + sizeof(stream);
}


static int
load_h2_receive(load_connection_t *c)
{
    int                   rc, done;
    size_t                len;
    const unsigned char  *p, *last;

    done = 0;
    p = (const unsigned char *) c->answer;
    last = p + c->received;

    while (last - p >= LOAD_FRAME) {

        len = p[0] << 16 | p[1] << 8 | p[2];

        if ((size_t) (last - p) < LOAD_FRAME + len) {
            break;
        }

        rc = load_h2_take(c, p, len);

        if (rc == -1) {
            return -1;
        }

        done |= rc;
        p += LOAD_FRAME + len;
    }

    c->received = last - p;
    memmove(c->answer, p, c->received);

    return done;
}


/* 1: the stream has ended */
static int
load_h2_take(load_connection_t *c, const unsigned char *frame, size_t len)
{
    char  answer[LOAD_FRAME + 8];

    switch (frame[3]) {

    case LOAD_DATA:
        c->message |= len > 5;
        return frame[4] & LOAD_END_STREAM;

    case LOAD_HEADERS:
        return frame[4] & LOAD_END_STREAM;

    case LOAD_RST_STREAM:
    case LOAD_GOAWAY:
        return -1;

    case LOAD_SETTINGS:
    case LOAD_PING:

        if (frame[4] & LOAD_ACK) {
            return 0;
        }

        len = frame[3] == LOAD_PING ? 8 : 0;

        load_h2_frame(answer, len, frame[3], LOAD_ACK, 0);
        memcpy(answer + LOAD_FRAME, frame + LOAD_FRAME, len);

        len += LOAD_FRAME;

        return send(c->fd, answer, len, MSG_NOSIGNAL) == (ssize_t) len ? 0
                                                                       : -1;
    }

    return 0;
}


static void
load_done(load_connection_t *c)
{
    char  *body;

    load_latencies[load_answered++] = (load_now() - c->start) / 1000;

    if (load_grpc) {
        if (!c->message && load_bad++ == 0) {
            fprintf(stderr, "load: a call has no message\n");
        }

        return;
    }

    c->answer[c->received] = '\0';

    if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0) {
        if (load_bad++ == 0) {
            fprintf(stderr, "load: not 200:\n%s\n", c->answer);
        }

        return;
    }

    if (load_operations || load_deletes) {
        body = strstr(c->answer, "\r\n\r\n") + 4;
        load_operation(body, c->answer + c->received - body);
    }
}


static void
load_operation(const char *body, size_t len)
{
    int          id_len, fingerprint_len, path_len;
    const char  *id, *fingerprint, *path;

    id_len = load_value(body, len, "\"id\":\"", &id);
    fingerprint_len = load_value(body, len, "\"fingerprint\":\"",
                                 &fingerprint);

    if (load_operations) {
        path = "/operations";
        load_write(load_operations, "GET", path, strlen(path), id, id_len);
    }

    if (load_deletes) {

        /* it was sent to the list of the certificates */

        path = load_requests[0].data + sizeof("POST ") - 1;
        path_len = strcspn(path, " ");

        load_write(load_deletes, "DELETE", path, path_len, fingerprint,
                   fingerprint_len);
    }
}


static int
load_value(const char *body, size_t len, const char *key, const char **value)
{
    const char  *p;

    p = memmem(body, len, key, strlen(key));

    if (p == NULL) {
        fprintf(stderr, "load: an answer has no %s\n", key);
        exit(1);
    }

    *value = p + strlen(key);

    return strcspn(*value, "\"");
}


static void
load_write(FILE *file, const char *method, const char *path, int path_len,
    const char *name, int len)
{
    char      request[512];
    uint32_t  length;

    length = snprintf(request, sizeof(request),
                      "%s %.*s/%.*s HTTP/1.1\r\n"
                      "Host: bench\r\n"
                      "Authorization: Bearer bench\r\n"
                      "\r\n", method, path_len, path, len, name);

    if (length >= sizeof(request)
        || fwrite(&length, sizeof(length), 1, file) != 1
        || fwrite(request, length, 1, file) != 1)
    {
        load_fail("fwrite()");
    }
}


static FILE *
load_create(const char *name)
{
    FILE  *file;

    file = fopen(name, "w");
    if (file == NULL) {
        load_fail(name);
    }

    return file;
}


static void
load_print(double seconds)
{
    long  n;

    n = load_answered ? load_answered : 1;

    qsort(load_latencies, load_answered, sizeof(uint32_t), load_compare);

    printf("requests %ld bad %ld seconds %.4f rate %.0f sent %.1f "
           "received %.1f p50 %u p90 %u p99 %u max %u\n",
           load_answered, load_bad, seconds, load_answered / seconds,
           (double) load_bytes_out / n, (double) load_bytes_in / n,
           load_latencies[n / 2], load_latencies[n * 9 / 10],
           load_latencies[n * 99 / 100], load_latencies[n - 1]);
}


static int
load_compare(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(const uint32_t *) one;
    b = *(const uint32_t *) two;

    return (a > b) - (a < b);
}


static uint64_t
load_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


static void
load_fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}
