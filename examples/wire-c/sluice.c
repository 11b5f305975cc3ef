/* See sluice.h. Parts: memory and time, JSON, the wire, what is received, the calls. */
#include "sluice.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_HEADER = 64 << 10, MAX_PAYLOAD = 64 << 20, CHUNK = 64 << 10, PASS = 64, CLOSE_SECONDS = 5 };

struct received { struct received *next; struct sluice_message m; char text[]; };
struct queue { struct received *first, **end; };
struct buffer { char *at; size_t len, size; };

struct sluice_future {
    struct sluice *h;
    struct sluice_future *next, *next_ready;
    uint32_t matchtag;
    int streaming, is_done, is_ready;
    double deadline;                                               /* on the clock of now(); INFINITY: none */
    struct queue responses;
    struct received *current;                                      /* what the caller was given last */
    struct received *spare;                                        /* for a failure of our own, which must not need memory */
    sluice_response_fn *callback;
    void *arg;
    char service[];
};

struct sluice {
    pthread_mutex_t claim;                                         /* recursive: a callback may call */
    int fd, rank, is_dispatching, is_stopped, is_holding;
    int ended;                                                     /* 0, or why the connection has ended, negative */
    uint32_t last_matchtag;
    struct buffer in, out, held;
    struct sluice_future *futures, *ready, **ready_end;
    struct queue events;
    sluice_event_fn *on_event;
    void *event_arg;
    double next_deadline;
    int has_old_deadline;                                          /* the future of next_deadline is done */
    atomic_int wants;                                              /* what the two calls without a claim answer */
    _Atomic double due;
};

/* ---- memory and time ---- */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int append(struct buffer *b, const void *bytes, size_t len) {
    if (b->len + len >= b->size) {                                 /* with room for a NUL */
        size_t size = (b->len + len + 1) * 2;
        char *at = realloc(b->at, size);
        if (at == NULL) return -ENOMEM;
        b->at = at;
        b->size = size;
    }
    if (len > 0) memcpy(b->at + b->len, bytes, len);
    b->len += len;
    return 0;
}

static void drop(struct buffer *b, size_t len) {
    b->len -= len;
    if (b->len > 0) memmove(b->at, b->at + len, b->len);
}

static void push(struct queue *q, struct received *r) {
    r->next = NULL;
    *(q->first == NULL ? &q->first : q->end) = r;
    q->end = &r->next;
}

static struct received *pop(struct queue *q) {
    struct received *r = q->first;
    if (r != NULL) q->first = r->next;
    return r;
}

static void clear(struct queue *q) { for (struct received *r; (r = pop(q)) != NULL;) free(r); }

/* ---- just enough JSON: the value of a key of an object ---- */
static const char *skip_space(const char *p) { return p + strspn(p, " \t\r\n"); }

static const char *skip_string(const char *p) {
    for (p++; *p != '\0' && *p != '"'; p++) if (*p == '\\' && p[1] != '\0') p++;
    return *p == '"' ? p + 1 : p;
}

static const char *skip_value(const char *p) {
    for (int depth = 0; *p != '\0';) {
        if (*p == '"') { p = skip_string(p); if (depth == 0) return p; continue; }
        if (depth == 0 && strchr(",}]", *p)) return p;
        if (strchr("{[", *p)) depth++;
        if (strchr("}]", *p) && --depth == 0) return p + 1;
        p++;
    }
    return p;
}

/* Where the value of a key begins, or NULL. Keys of headers have no escapes. */
static const char *find(const char *object, const char *key) {
    const char *p = skip_space(object);
    while (*p == '{' || *p == ',') {
        const char *name = skip_space(p + 1), *end = skip_string(name);
        const char *value = skip_space(end);
        if (*value != ':') return NULL;
        value = skip_space(value + 1);
        if ((size_t)(end - name) == strlen(key) + 2 && !strncmp(name + 1, key, strlen(key))) return value;
        p = skip_space(skip_value(value));
    }
    return NULL;
}

static double number(const char *object, const char *key) {
    const char *at = find(object, key);
    return at == NULL ? 0 : strtod(at, NULL);
}

static int is(const char *object, const char *key, const char *json) {
    const char *at = find(object, key);
    return at != NULL && !strncmp(at, json, strlen(json)) && skip_value(at) == at + strlen(json);
}

static char *put_utf8(char *to, unsigned long c) {
    if (c < 0x80) { *to++ = (char)c; return to; }
    if (c < 0x800) *to++ = (char)(0xc0 | c >> 6);
    else {
        if (c < 0x10000) *to++ = (char)(0xe0 | c >> 12);
        else { *to++ = (char)(0xf0 | c >> 18); *to++ = (char)(0x80 | (c >> 12 & 0x3f)); }
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (c & 0x3f));
    return to;
}

static unsigned long hex4(const char *p) {
    char digits[5] = { 0 };
    memcpy(digits, p, strnlen(p, 4));
    return strtoul(digits, NULL, 16);
}

/* The string at a key, written to `to`, which has room for its JSON text; NULL if there is none. */
static char *string(const char *object, const char *key, char **to) {
    static const char SHORT[] = "b\bf\fn\nr\rt\t";
    const char *p = find(object, key);
    if (p == NULL || *p != '"') return NULL;
    char *start = *to, *at = start;
    for (p++; *p != '\0' && *p != '"'; p++) {
        if (*p != '\\') { *at++ = *p; continue; }
        if (*++p == '\0') break;
        const char *known = strchr(SHORT, *p);
        if (*p != 'u') { *at++ = known == NULL ? *p : known[1]; continue; }
        unsigned long c = hex4(p + 1);
        p += strnlen(p + 1, 4);
        if (c >= 0xd800 && c < 0xdc00 && p[1] == '\\' && p[2] == 'u') {
            c = 0x10000 + ((c - 0xd800) << 10) + ((hex4(p + 3) - 0xdc00) & 0x3ff);
            p += 2 + strnlen(p + 3, 4);
        }
        at = put_utf8(at, c);
    }
    *at++ = '\0';
    *to = at;
    return start;
}

/* ---- the wire ---- */
static int put_frame(struct buffer *b, const char *header, const char *payload) {
    size_t header_len = strlen(header), payload_len = payload == NULL ? 0 : strlen(payload), before = b->len;
    if (payload_len > MAX_PAYLOAD) return -EMSGSIZE;
    uint32_t lengths[2] = { htonl((uint32_t)header_len), htonl((uint32_t)payload_len) };
    if (append(b, lengths, sizeof lengths) == 0 && append(b, header, header_len) == 0
        && append(b, payload, payload_len) == 0) return 0;
    b->len = before;
    return -ENOMEM;
}

static void flush(struct sluice *h) {
    size_t sent = 0;
    while (sent < h->out.len) {
        ssize_t n = send(h->fd, h->out.at + sent, h->out.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        /* The broker reads no more. Its earlier messages must still be read, and reading finds the end. */
        sent = n < 0 ? h->out.len : sent + (size_t)n;
    }
    drop(&h->out, sent);
}

/* Words joined by dots. The broker ends a connection for any other topic. */
static int is_topic(const char *at) {
    int in_word = 0;
    for (; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c <= ' ' || c == 0x7f || c == '"' || c == '\\' || (c == '.' && !in_word)) return 0;
        in_word = c != '.';
    }
    return in_word;
}

/* Requests wait for the broker's word while it has no room for them. */
static int send_request(struct sluice *h, const char *topic, const char *payload, uint32_t matchtag, int flags) {
    char header[MAX_HEADER];
    if (topic == NULL || strlen(topic) > MAX_HEADER / 2 || !is_topic(topic)) return -EINVAL;
    snprintf(header, sizeof header, "{\"type\":\"request\",\"topic\":\"%s\",\"matchtag\":%u,\"flags\":%d%s}", topic,
             (unsigned)matchtag, flags, payload == NULL ? "" : ",\"payload\":\"json\"");
    int result = put_frame(h->is_holding ? &h->held : &h->out, header, payload);
    if (result == 0) flush(h);
    return result;
}

/* ---- what is received ---- */
static void make_ready(struct sluice_future *f) {
    struct sluice *h = f->h;
    if (f->is_ready || f->callback == NULL || f->responses.first == NULL) return;
    f->is_ready = 1;
    f->next_ready = NULL;
    *(h->ready == NULL ? &h->ready : h->ready_end) = f;
    h->ready_end = &f->next_ready;
}

static void settle(struct sluice_future *f, struct received *r) {
    push(&f->responses, r);
    f->is_done = !f->streaming || r->m.errnum != 0;
    if (f->is_done) {
        f->h->has_old_deadline |= f->deadline == f->h->next_deadline;
        f->deadline = INFINITY;
    }
    make_ready(f);
}

static void fail(struct sluice_future *f, int errnum) {
    struct received *r = f->spare;
    if (f->is_done || r == NULL) return;
    f->spare = NULL;
    r->m = (struct sluice_message){ .topic = f->service, .errnum = errnum };
    settle(f, r);
}

static void end(struct sluice *h, int why) {
    h->ended = why;
    h->out.len = h->held.len = 0;
    for (struct sluice_future *f = h->futures; f != NULL; f = f->next) fail(f, -why);
}

static int hold(struct sluice *h, int is_holding) {
    h->is_holding = is_holding;
    if (is_holding) return 0;
    int result = append(&h->out, h->held.at, h->held.len);
    if (result == 0) h->held.len = 0;
    return result;
}

static int take(struct sluice *h, const char *header, const char *payload, size_t payload_len) {
    if (is(header, "type", "\"control\"")) {
        if (is(header, "control", "\"disconnect\"")) return -ECONNRESET;
        if (is(header, "control", "\"status\"")) return hold(h, is(payload, "requests", "\"hold\""));
        h->rank = (int)number(payload, "rank");
        return 0;
    }
    struct received *r = calloc(1, sizeof *r + payload_len + 1 + strlen(header) + 2);
    if (r == NULL) return -ENOMEM;
    memcpy(r->text, payload, payload_len);
    char *to = r->text + payload_len + 1, *topic = string(header, "topic", &to);
    r->m = (struct sluice_message){ topic == NULL ? "" : topic, find(header, "payload") == NULL ? NULL : r->text,
                                    payload_len, (int)number(header, "errnum"), string(header, "error", &to) };
    if (is(header, "type", "\"event\"") && h->on_event != NULL) { push(&h->events, r); return 0; }
    if (is(header, "type", "\"response\"")) {
        uint32_t matchtag = (uint32_t)number(header, "matchtag");
        for (struct sluice_future *f = h->futures; f != NULL; f = f->next)
            if (f->matchtag == matchtag && !f->is_done) { settle(f, r); return 0; }
    }
    free(r);                                                       /* nothing waits for it any more */
    return 0;
}

/* Takes the whole messages of the buffer. The header moves over the lengths before it, so that a NUL has room behind it. */
static int take_all(struct sluice *h) {
    size_t at = 0;
    int result = 0;
    while (result == 0 && h->in.len - at >= 8) {
        uint32_t lengths[2];
        memcpy(lengths, h->in.at + at, sizeof lengths);
        size_t header_len = ntohl(lengths[0]), payload_len = ntohl(lengths[1]);
        if (header_len > MAX_HEADER || payload_len > MAX_PAYLOAD) return -EPROTO;
        if (h->in.len - at - 8 < header_len + payload_len) break;
        char *header = h->in.at + at + 7, *payload = header + 1 + header_len, after = payload[payload_len];
        memmove(header, header + 1, header_len);
        header[header_len] = payload[payload_len] = '\0';
        result = take(h, header, payload, payload_len);
        payload[payload_len] = after;
        at += 8 + header_len + payload_len;
    }
    drop(&h->in, at);
    return result;
}

/* One read, so that a pass has an end; what is left wakes a level-triggered loop again. */
static void receive(struct sluice *h) {
    char chunk[CHUNK];
    if (h->ended) return;
    ssize_t n = recv(h->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    int result = n <= 0 ? -ECONNRESET : append(&h->in, chunk, (size_t)n);
    if (result == 0) result = take_all(h);
    if (result != 0) end(h, result);
}

/* ---- deadlines ---- */
static void find_next_deadline(struct sluice *h) {
    h->next_deadline = INFINITY;
    h->has_old_deadline = 0;
    for (struct sluice_future *f = h->futures; f != NULL; f = f->next)
        if (!f->is_done && f->deadline < h->next_deadline) h->next_deadline = f->deadline;
}

static double next_deadline(struct sluice *h) {
    if (h->has_old_deadline) find_next_deadline(h);
    return h->next_deadline;
}

static void cancel(struct sluice_future *f) {
    char topic[MAX_HEADER / 2 + 8], payload[40];
    if (!f->streaming || f->is_done || f->h->ended) return;
    snprintf(topic, sizeof topic, "%s.cancel", f->service);
    snprintf(payload, sizeof payload, "{\"matchtag\":%u}", (unsigned)f->matchtag);
    /* Without memory for the request, the service continues until this connection ends. */
    (void)send_request(f->h, topic, payload, 0, 1);
}

static void expire(struct sluice *h) {
    double t = now();
    if (t < h->next_deadline) return;
    for (struct sluice_future *f = h->futures; f != NULL; f = f->next)
        if (!f->is_done && f->deadline <= t) { cancel(f); fail(f, ETIMEDOUT); }
    find_next_deadline(h);
}

/* ---- one call at a time ---- */
static int enter(struct sluice *h, int *caller_errno) {
    *caller_errno = errno;
    return pthread_mutex_trylock(&h->claim) == 0 ? 0 : -EBUSY;
}

/* The results of the two calls without a claim are as fresh as the last call with one. */
static int leave(struct sluice *h, int caller_errno, int result) {
    int has_more = h->events.first != NULL || h->ready != NULL;
    atomic_store(&h->wants, h->ended ? 0 : h->out.len > 0 ? 3 : 1);
    atomic_store(&h->due, has_more ? 0 : next_deadline(h));
    pthread_mutex_unlock(&h->claim);
    errno = caller_errno;
    return result;
}

static int wait_until(struct sluice *h, double due) {
    double ms = due == INFINITY ? -1 : (due - now()) * 1000 + 1;
    struct pollfd p = { h->fd, h->out.len > 0 ? POLLIN | POLLOUT : POLLIN, 0 };
    if (h->ended) return 0;
    int n = poll(&p, 1, due == INFINITY ? -1 : ms < 0 ? 0 : ms > 1e9 ? 1000000000 : (int)ms);
    return n < 0 ? -errno : 0;
}

static void call_back(struct sluice_future *f) {
    struct received *r = pop(&f->responses);
    free(f->current);
    f->current = r;
    make_ready(f);                                                 /* for the response after this one */
    f->callback(f, &r->m, f->arg);                                 /* may free the future */
}

static int pass(struct sluice *h) {
    int count = 0;
    flush(h);
    if (h->events.first == NULL && h->ready == NULL) receive(h);
    expire(h);
    /* In turn, so that neither waits for the end of the other. */
    while (count < PASS && (h->events.first != NULL || h->ready != NULL)) {
        struct received *event = pop(&h->events);
        struct sluice_future *f = h->ready;
        if (event != NULL && ++count > 0) {
            if (h->on_event != NULL) h->on_event(h, &event->m, h->event_arg);
            free(event);
            f = h->ready;
        }
        if (f == NULL || count == PASS) continue;
        h->ready = f->next_ready;
        f->is_ready = 0;
        if (f->responses.first == NULL) continue;                  /* sluice_get took it */
        count++;
        call_back(f);
    }
    return count == 0 && h->ended ? h->ended : count;
}

static int dispatch(struct sluice *h) {
    if (h->is_dispatching) return -EBUSY;
    h->is_dispatching = 1;
    int result = pass(h);
    h->is_dispatching = 0;
    return result;
}

/* ---- the calls ---- */
static int open_socket(const char *uri, int *fd) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (uri == NULL) uri = getenv("SLUICE_URI");
    if (uri == NULL) return -ENOENT;
    if (strncmp(uri, "local:///", 9) != 0) return -EINVAL;
    if (strlen(uri + 8) >= sizeof address.sun_path) return -ENAMETOOLONG;
    strcpy(address.sun_path, uri + 8);
    *fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (*fd < 0) return -errno;
    fcntl(*fd, F_SETFD, FD_CLOEXEC);
    while (connect(*fd, (struct sockaddr *)&address, sizeof address) != 0) {
        if (errno == EINTR) continue;
        int result = -errno;
        close(*fd);
        return result;
    }
    /* Not before: a connect(2) that does not wait would fail where many clients come at once. */
    fcntl(*fd, F_SETFL, O_NONBLOCK);
    return 0;
}

static void destroy(struct sluice *h) {
    while (h->futures != NULL) sluice_free(h->futures);
    clear(&h->events);
    free(h->in.at);
    free(h->out.at);
    free(h->held.at);
    close(h->fd);
    pthread_mutex_destroy(&h->claim);
    free(h);
}

int sluice_connect(struct sluice **made, const char *uri) {
    int caller_errno = errno, result = -ENOMEM;
    struct sluice *h = calloc(1, sizeof *h);
    if (h != NULL && (result = open_socket(uri, &h->fd)) != 0) free(h);
    if (result == 0) {
        pthread_mutexattr_t recursive;
        pthread_mutexattr_init(&recursive);
        pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
        pthread_mutex_init(&h->claim, &recursive);
        pthread_mutexattr_destroy(&recursive);
        h->rank = -1;
        h->next_deadline = INFINITY;
        atomic_init(&h->wants, 1);
        atomic_init(&h->due, INFINITY);
        while (h->rank < 0 && !h->ended) { wait_until(h, INFINITY); receive(h); }
        result = h->ended;
        if (result == 0) *made = h; else destroy(h);
    }
    errno = caller_errno;
    return result;
}

int sluice_close(struct sluice *h) {
    int caller_errno, result = enter(h, &caller_errno);
    if (result != 0) return result;
    if (h->is_dispatching) return leave(h, caller_errno, -EBUSY);
    double until = now() + CLOSE_SECONDS;
    hold(h, 0);
    for (flush(h); h->out.len > 0 && !h->ended && now() < until; flush(h)) { wait_until(h, until); receive(h); }
    h->ended = -ECANCELED;
    leave(h, caller_errno, 0);
    destroy(h);
    errno = caller_errno;
    return 0;
}

int sluice_rank(const struct sluice *h) { return h->rank; }
int sluice_fileno(struct sluice *h) { return h->fd; }
int sluice_wants(struct sluice *h) { return atomic_load(&h->wants); }

double sluice_timeout(struct sluice *h) {
    int caller_errno = errno;
    double due = atomic_load(&h->due), left = due == INFINITY ? -1 : due - now();
    errno = caller_errno;
    return due != INFINITY && left < 0 ? 0 : left;
}

int sluice_dispatch(struct sluice *h) {
    int caller_errno, result = enter(h, &caller_errno);
    return result != 0 ? result : leave(h, caller_errno, dispatch(h));
}

static int has_work(struct sluice *h) {
    if (h->on_event != NULL || h->ready != NULL) return 1;
    for (struct sluice_future *f = h->futures; f != NULL; f = f->next) if (f->callback != NULL && !f->is_done) return 1;
    return 0;
}

static int run(struct sluice *h, int flags) {
    if (h->is_dispatching) return -EBUSY;
    if (flags == SLUICE_NOWAIT) return dispatch(h);
    if (flags != 0 && flags != SLUICE_ONCE) return -EINVAL;
    int count = 0;
    for (h->is_stopped = 0; !h->is_stopped && has_work(h);) {
        int result = wait_until(h, h->events.first != NULL || h->ready != NULL ? 0 : next_deadline(h));
        if (result == 0) result = dispatch(h);
        if (result < 0) return result;
        count += result;
        if (flags == SLUICE_ONCE) break;
    }
    return count;
}

int sluice_run(struct sluice *h, int flags) {
    int caller_errno, result = enter(h, &caller_errno);
    return result != 0 ? result : leave(h, caller_errno, run(h, flags));
}

int sluice_stop(struct sluice *h) {
    int caller_errno, result = enter(h, &caller_errno);
    if (result != 0) return result;
    h->is_stopped = 1;
    return leave(h, caller_errno, 0);
}

static struct sluice_future *make_future(struct sluice *h, const char *topic, double timeout, int flags) {
    size_t service_len = strcspn(topic, ".");
    struct sluice_future *f = calloc(1, sizeof *f + service_len + 1);
    struct received *spare = calloc(1, sizeof *spare);
    if (f == NULL || spare == NULL) { free(f); free(spare); return NULL; }
    f->h = h;
    f->spare = spare;
    f->streaming = flags & SLUICE_STREAMING;
    f->deadline = timeout < 0 ? INFINITY : now() + timeout;
    f->matchtag = ++h->last_matchtag == 0 ? ++h->last_matchtag : h->last_matchtag;
    memcpy(f->service, topic, service_len);
    return f;
}

static int request(struct sluice *h, struct sluice_future *f, const char *topic, const char *payload) {
    struct sluice_future **last = &h->futures;
    if (f == NULL) return -ENOMEM;
    int result = h->ended ? h->ended : send_request(h, topic, payload, f->matchtag, f->streaming);
    if (result != 0) { free(f->spare); free(f); return result; }
    while (*last != NULL) last = &(*last)->next;
    *last = f;
    if (f->deadline < h->next_deadline) h->next_deadline = f->deadline;
    return 0;
}

int sluice_rpc(struct sluice *h, const char *topic, const char *payload, double timeout, int flags, struct sluice_future **made) {
    int caller_errno, result = enter(h, &caller_errno);
    if (result != 0) return result;
    struct sluice_future *f = topic == NULL ? NULL : make_future(h, topic, timeout, flags);
    result = topic == NULL ? -EINVAL : request(h, f, topic, payload);
    if (result == 0) *made = f;
    return leave(h, caller_errno, result);
}

int sluice_then(struct sluice_future *f, sluice_response_fn *callback, void *arg) {
    int caller_errno, result = enter(f->h, &caller_errno);
    if (result != 0) return result;
    f->callback = callback;
    f->arg = arg;
    make_ready(f);
    return leave(f->h, caller_errno, 0);
}

static int get(struct sluice_future *f, struct sluice_message *response) {
    struct sluice *h = f->h;
    while (f->responses.first == NULL && !f->is_done) {
        int result = wait_until(h, next_deadline(h));
        if (result < 0) return result;
        flush(h);
        receive(h);
        expire(h);
    }
    if (f->responses.first != NULL) {
        free(f->current);
        f->current = pop(&f->responses);
    }
    if (response != NULL) *response = f->current->m;
    return -f->current->m.errnum;
}

int sluice_get(struct sluice_future *f, struct sluice_message *response) {
    int caller_errno, result = enter(f->h, &caller_errno);
    return result != 0 ? result : leave(f->h, caller_errno, get(f, response));
}

int sluice_is_ready(struct sluice_future *f) {
    int caller_errno, result = enter(f->h, &caller_errno);
    return result != 0 ? result : leave(f->h, caller_errno, f->responses.first != NULL || f->is_done);
}

static void unlink_ready(struct sluice *h, struct sluice_future *f) {
    for (struct sluice_future **at = &h->ready; *at != NULL; at = &(*at)->next_ready) {
        if (*at != f) continue;
        *at = f->next_ready;
        if (f->next_ready == NULL) h->ready_end = at;
        return;
    }
}

int sluice_free(struct sluice_future *f) {
    struct sluice *h = f->h;
    int caller_errno, result = enter(h, &caller_errno);
    if (result != 0) return result;
    struct sluice_future **at = &h->futures;
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    if (f->is_ready) unlink_ready(h, f);
    cancel(f);
    if (!f->is_done && f->deadline == h->next_deadline) find_next_deadline(h);
    clear(&f->responses);
    free(f->current);
    free(f->spare);
    free(f);
    return leave(h, caller_errno, 0);
}

int sluice_on_event(struct sluice *h, sluice_event_fn *callback, void *arg) {
    int caller_errno, result = enter(h, &caller_errno);
    if (result != 0) return result;
    h->on_event = callback;
    h->event_arg = arg;
    return leave(h, caller_errno, 0);
}
