/* Sends each line of standard input as a request, TOPIC [JSON], and prints what comes back, in the order of its arrival.
 * With topics as arguments it prints their events too. One poll(2) waits for both descriptors; nothing blocks.
 *   cc -pthread -o client client.c sluice.c && echo 'kvs.ping {"n":1}' | ./client */
#include "sluice.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_requests, status;

static void print_response(struct sluice_future *f, const struct sluice_message *m, void *topic) {
    if (m->errnum == 0) printf("%s: %s\n", (char *)topic, m->payload == NULL ? "" : m->payload);
    else {
        printf("%s: error %d, %s\n", (char *)topic, m->errnum, m->error == NULL ? strerror(m->errnum) : m->error);
        status = 1;
    }
    fflush(stdout);
    open_requests--;
    free(topic);
    sluice_free(f);
}

static void print_event(struct sluice *h, const struct sluice_message *m, void *arg) {
    (void)h;
    (void)arg;
    printf("event %s: %s\n", m->topic, m->payload == NULL ? "" : m->payload);
    fflush(stdout);
}

/* Events were missed, or the subscription cannot go on for another reason. */
static void subscription_ended(struct sluice_future *f, const struct sluice_message *m, void *topic) {
    (void)f;
    fprintf(stderr, "client: %s: no more events: %s\n", (char *)topic, m->error == NULL ? strerror(m->errnum) : m->error);
    exit(1);
}

static void die(const char *what, int result) {
    fprintf(stderr, "client: %s: %s\n", what, strerror(-result));
    exit(1);
}

static void request(struct sluice *h, char *line) {
    struct sluice_future *f;
    char *topic = line + strspn(line, " \t"), *payload = topic + strcspn(topic, " \t");
    if (*topic == '\0') return;
    if (*payload != '\0') *payload++ = '\0';
    payload += strspn(payload, " \t");
    int result = sluice_rpc(h, topic, *payload == '\0' ? NULL : payload, 30, 0, &f);
    if (result != 0) die(topic, result);
    open_requests++;
    sluice_then(f, print_response, strdup(topic));
}

/* Takes what standard input has; whole lines become requests. Gives 0 at its end. */
static int read_lines(struct sluice *h) {
    static char text[64 << 10];
    static size_t len;
    ssize_t n = read(0, text + len, sizeof text - len - 1);
    if (n <= 0) { text[len] = '\0'; request(h, text); return 0; }
    text[len += (size_t)n] = '\0';
    char *line = text;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) { *end = '\0'; request(h, line); }
    len -= (size_t)(line - text);
    memmove(text, line, len);
    if (len == sizeof text - 1) die("a line of input", -EMSGSIZE);
    return 1;
}

int main(int argc, char **argv) {
    struct sluice *h;
    int result = sluice_connect(&h, NULL), has_input = 1;
    if (result != 0) die("cannot connect", result);
    if (argc > 1) sluice_on_event(h, print_event, NULL);
    for (int i = 1; i < argc; i++) {
        char payload[256];
        struct sluice_future *f;
        snprintf(payload, sizeof payload, "{\"topic\":\"%s\"}", argv[i]);
        /* The first response confirms the subscription, an error after that ends it. */
        result = sluice_rpc(h, "event.subscribe", payload, -1, SLUICE_STREAMING, &f);
        if (result == 0) result = sluice_get(f, NULL);
        if (result != 0) die(argv[i], result);
        sluice_then(f, subscription_ended, argv[i]);
    }
    while (has_input || open_requests > 0) {
        int wants = sluice_wants(h);
        double seconds = sluice_timeout(h);
        struct pollfd fds[] = { { has_input ? 0 : -1, POLLIN, 0 },
                                { wants == 0 ? -1 : sluice_fileno(h), wants == 3 ? POLLIN | POLLOUT : POLLIN, 0 } };
        poll(fds, 2, seconds < 0 ? -1 : seconds == 0 ? 0 : (int)(seconds * 1000) + 1);
        if (fds[0].revents != 0) has_input = read_lines(h);
        result = sluice_dispatch(h);
        if (result < 0) die("the connection has ended", result);
    }
    sluice_close(h);
    return status;
}
