/* A client of an instance in plain C, for any event loop. It needs the C library alone, and starts no thread.
 * docs/wire-protocol.md has the protocol, docs/event-loops.md what a loop may rely on, client.c an example.
 *
 * Errors are values of the call: 0 or a count, or a negative error number. `errno` is left as it was, and so are signal
 * handlers. A handle and its futures may go from thread to thread while the caller holds a lock around each call. A call
 * during one of another thread gives -EBUSY and harms nothing; fileno, wants and timeout may be called at any time. */
#ifndef SLUICE_H
#define SLUICE_H

#include <stddef.h>

struct sluice;                                                     /* a connection to an instance */
struct sluice_future;                                              /* the response to a request that is still to come */

struct sluice_message {
    const char *topic;
    const char *payload;                                           /* JSON text, or bytes; a NUL follows. NULL: none */
    size_t payload_len;
    int errnum;                                                    /* of a response that is an error, else 0 */
    const char *error;                                             /* its text for people, or NULL */
};

typedef void sluice_response_fn(struct sluice_future *f, const struct sluice_message *response, void *arg);
typedef void sluice_event_fn(struct sluice *h, const struct sluice_message *event, void *arg);

/* Connects, and waits for the welcome. The URI is local:///PATH; NULL: that of SLUICE_URI. */
int sluice_connect(struct sluice **h, const char *uri);
/* Sends what waits, for 5 s at most, and closes. The futures are freed too, and no callback is called. Not in a callback. */
int sluice_close(struct sluice *h);
int sluice_rank(const struct sluice *h);

/* ---- in a foreign loop: these four are all that it needs; ask wants and timeout again before each wait ---- */
int    sluice_fileno(struct sluice *h);                            /* the descriptor to wait for, level-triggered */
int    sluice_wants(struct sluice *h);                             /* 1 readable, 3 readable or writable, 0 it has ended */
double sluice_timeout(struct sluice *h);                           /* seconds until dispatch is due without input; < 0: never */
/* Handles what is possible now, and never waits: at most 64 responses and events, with a timeout of 0 while more wait.
 * Only this calls callbacks, on the thread that calls it. Gives how many it handled; -ECONNRESET once the connection has
 * ended and nothing is left; -EBUSY in a callback. */
int    sluice_dispatch(struct sluice *h);

/* ---- its own loop ---- */
enum { SLUICE_NOWAIT = 1, SLUICE_ONCE = 2 };
/* With 0: dispatches until sluice_stop, or until nothing is left to call back. NOWAIT: one dispatch, which never waits.
 * ONCE: one wait and one dispatch. Gives how many it handled. -EINTR after a signal: call it again. */
int sluice_run(struct sluice *h, int flags);
int sluice_stop(struct sluice *h);

/* ---- requests; sending never waits, and copies the payload ---- */
enum { SLUICE_STREAMING = 2 };
/* Sends a request. The payload is JSON text, or NULL. The timeout is in seconds; < 0: never. Free the future in the end. */
int sluice_rpc(struct sluice *h, const char *topic, const char *payload, double timeout, int flags, struct sluice_future **f);
/* Has dispatch call back for the response; of a stream for each, up to the error that ends it. */
int sluice_then(struct sluice_future *f, sluice_response_fn *callback, void *arg);
/* Waits for the response, of a stream for the next, and calls no callback. Gives the error of the response, negative. The
 * response is the caller's until the next call with this future. -EINTR after a signal: call it again. */
int sluice_get(struct sluice_future *f, struct sluice_message *response);
int sluice_is_ready(struct sluice_future *f);                      /* whether sluice_get would not wait */
/* Drops a future, in its callback too; an open stream is cancelled. */
int sluice_free(struct sluice_future *f);

/* Has dispatch call back for the events of topics that were subscribed to, by streaming requests to event.subscribe: the first
 * response confirms it. An error after that, ENODATA after missed events, ends it. sluice_free unsubscribes. */
int sluice_on_event(struct sluice *h, sluice_event_fn *callback, void *arg);

#endif
