/* A module in plain C: nothing but the C library and docs/wire-protocol.md. Answers NAME.ping and NAME.hello.
 *   cc -o hello hello.c && sluice module load ./hello && sluice rpc hello.hello */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RUNNING = 1, FINALIZING = 2, EXITED = 3 };                  /* module.status */
enum { MAX_HEADER = 64 << 10, MAX_PAYLOAD = 64 << 20 };

struct text { const char *at; int len; };                          /* a piece of JSON, as it stands */
struct message { char *header, *payload; uint32_t payload_len; };

static const struct text NONE = { "", 0 }, JSON = { "\"json\"", 6 };
static int fd;

static void die(const char *why) { fprintf(stderr, "hello: %s\n", why); exit(1); }

/* ---- the wire: two lengths, a header in JSON, a payload ---- */
static void read_all(void *into, size_t len) {
    for (ssize_t n; len > 0; into = (char *)into + n, len -= n)
        if ((n = read(fd, into, len)) <= 0) exit(n < 0);             /* the broker has gone */
}

static void write_all(const void *from, size_t len) {
    for (ssize_t n; len > 0; from = (const char *)from + n, len -= n)
        if ((n = write(fd, from, len)) < 0) die("cannot write to the broker");
}

static char *read_text(uint32_t len) {
    char *text = malloc((size_t)len + 1);
    if (text == NULL) die("out of memory");
    read_all(text, len);
    text[len] = '\0';
    return text;
}

static struct message receive(void) {
    uint32_t lengths[2];
    read_all(lengths, sizeof lengths);
    if (ntohl(lengths[0]) > MAX_HEADER || ntohl(lengths[1]) > MAX_PAYLOAD) die("a message over the limits");
    struct message m = { .header = read_text(ntohl(lengths[0])), .payload_len = ntohl(lengths[1]) };
    m.payload = read_text(m.payload_len);
    return m;
}

static void send_message(const char *header, const char *payload, uint32_t payload_len) {
    uint32_t lengths[2] = { htonl(strlen(header)), htonl(payload_len) };
    write_all(lengths, sizeof lengths);
    write_all(header, strlen(header));
    write_all(payload, payload_len);
}

/* ---- just enough JSON: the value of a key of an object ---- */
static const char *skip_string(const char *p) {
    for (p++; *p != '\0' && *p != '"'; p++) if (*p == '\\' && p[1] != '\0') p++;
    return *p == '"' ? p + 1 : p;
}

/* Past one value: strings are skipped as a whole, and what is in brackets counts its depth. */
static const char *skip_value(const char *p) {
    int depth = 0;
    while (*p != '\0') {
        if (*p == '"') { p = skip_string(p); if (depth == 0) return p; continue; }
        if (depth == 0 && strchr(",}]", *p)) return p;
        if (strchr("{[", *p)) depth++;
        if (strchr("}]", *p) && --depth == 0) return p + 1;
        p++;
    }
    return p;
}

static const char *skip_space(const char *p) { return p + strspn(p, " \t\r\n"); }
/* The value of a key, or `missing` when the object lacks it. Keys of messages have no escapes. */
static struct text get(const char *object, const char *key, const char *missing) {
    const char *p = skip_space(object);
    while (*p == '{' || *p == ',') {
        const char *name = skip_space(p + 1), *end = skip_string(name);
        p = skip_space(end);
        if (*p != ':') break;
        const char *value = skip_space(p + 1);
        p = skip_value(value);
        if ((size_t)(end - name) == strlen(key) + 2 && !strncmp(name + 1, key, strlen(key)))
            return (struct text){ value, (int)(p - value) };
        p = skip_space(p);
    }
    return (struct text){ missing, (int)strlen(missing) };
}

static int is(struct text t, const char *json) {
    return (size_t)t.len == strlen(json) && !strncmp(t.at, json, t.len);
}

/* ---- what modules say ---- */
static void report(int status, int wants_answer) {
    char header[200], payload[40];
    snprintf(header, sizeof header, "{\"type\":\"request\",\"topic\":\"module.status\",\"matchtag\":%d,"
             "\"flags\":%d,\"payload\":\"json\"}", wants_answer, !wants_answer);
    int len = snprintf(payload, sizeof payload, "{\"status\":%d,\"errnum\":0}", status);
    send_message(header, payload, len);
}

/* Topic, matchtag and route go back as they came. */
static void respond(struct message *m, int errnum, struct text kind, const char *payload, uint32_t len) {
    struct text topic = get(m->header, "topic", "\"\""), tag = get(m->header, "matchtag", "0");
    struct text route = get(m->header, "route", "[]"), flags = get(m->header, "flags", "0");
    static char header[MAX_HEADER + 200];
    if (is(flags, "1") || is(flags, "3")) return;                  /* noresponse */
    int at = snprintf(header, sizeof header, "{\"type\":\"response\",\"topic\":%.*s,\"matchtag\":%.*s,"
                      "\"route\":%.*s,\"errnum\":%d", topic.len, topic.at, tag.len, tag.at,
                      route.len, route.at, errnum);
    if (kind.len > 0) at += sprintf(header + at, ",\"payload\":%.*s", kind.len, kind.at);
    strcpy(header + at, "}");
    send_message(header, payload, len);
}

int main(void) {
    const char *uri = getenv("SLUICE_MODULE_URI");
    if (uri == NULL || sscanf(uri, "fd://%d", &fd) != 1) die("SLUICE_MODULE_URI is not fd://N");
    struct message m = receive();                                  /* the welcome comes first */
    struct text name = get(m.payload, "name", "\"\"");
    char *greeting = malloc(name.len + 40);
    if (greeting == NULL) die("out of memory");
    int greeting_len = sprintf(greeting, "{\"hello\":\"from C\",\"name\":%.*s}", name.len, name.at);
    report(RUNNING, 0);
    for (int is_ending = 0;;) {
        free(m.header);
        free(m.payload);
        m = receive();
        struct text type = get(m.header, "type", ""), topic = get(m.header, "topic", "");
        if (is(type, "\"response\"")) break;                       /* to FINALIZING: no more requests come */
        if (!is(type, "\"request\"")) continue;                    /* an event, a control message */
        const char *dot = memchr(topic.at, '.', topic.len);
        struct text method = dot == NULL ? NONE : (struct text){ dot, (int)(topic.at + topic.len - dot) };
        if (is_ending) respond(&m, ENOSYS, NONE, "", 0);
        else if (is(method, ".ping\"")) respond(&m, 0, get(m.header, "payload", ""), m.payload, m.payload_len);
        else if (is(method, ".hello\"")) respond(&m, 0, JSON, greeting, greeting_len);
        else if (!is(method, ".shutdown\"")) respond(&m, ENOSYS, NONE, "", 0);
        else {
            respond(&m, 0, NONE, "", 0);
            report(FINALIZING, 1);
            is_ending = 1;
        }
    }
    report(EXITED, 0);
    return 0;
}
