
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


/*
 * load [-o FILE] [-d FILE] [-t SECONDS] PORT CONNECTIONS COUNT REQUESTS
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
    char            answer[LOAD_ANSWER];
} load_connection_t;


static load_request_t     *load_requests;
static long                load_count, load_sent, load_answered, load_bad;
static uint32_t           *load_latencies;
static unsigned long long  load_bytes_out, load_bytes_in;
static FILE               *load_operations, *load_deletes;


static void load_read_requests(const char *name);
static load_connection_t *load_connect(int port, int ep);
static void load_run(int ep, load_connection_t **connections, int n,
    int seconds);
static int load_event(load_connection_t *c, int ep, uint32_t events);
static int load_next(load_connection_t *c, int ep);
static int load_send(load_connection_t *c, int ep);
static int load_receive(load_connection_t *c);
static int load_header(load_connection_t *c);
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

    while ((opt = getopt(argc, argv, "d:o:t:")) != -1) {

        switch (opt) {

        case 'd':
            load_deletes = load_create(optarg);
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
        fprintf(stderr, "usage: %s [-o FILE] [-d FILE] [-t SECONDS] "
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


static void
load_done(load_connection_t *c)
{
    char  *body;

    load_latencies[load_answered++] = (load_now() - c->start) / 1000;

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
