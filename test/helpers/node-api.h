/*
 * What addons of tests need of Node-API, and what they do with a handle. The functions are declared here, as their ABI is
 * stable and not every machine has the headers of Node.
 */
#include <stddef.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);

int napi_create_object(napi_env, napi_value *);
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_create_string_utf8(napi_env, const char *, size_t, napi_value *);
int napi_get_named_property(napi_env, napi_value, const char *, napi_value *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
int napi_call_function(napi_env, napi_value, napi_value, size_t, const napi_value *, napi_value *);
int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);

#define AUTO_LENGTH ((size_t)-1)

static inline napi_value text(napi_env env, const char *utf8) {
    napi_value value = NULL;
    napi_create_string_utf8(env, utf8, AUTO_LENGTH, &value);
    return value;
}

static inline napi_value function(napi_env env, const char *name, napi_callback callback) {
    napi_value value = NULL;
    napi_create_function(env, name, AUTO_LENGTH, callback, NULL, &value);
    return value;
}

/* h[name](...arguments) */
static inline napi_value call(napi_env env, napi_value h, const char *name, size_t count, const napi_value *arguments) {
    napi_value method = NULL, result = NULL;
    napi_get_named_property(env, h, name, &method);
    napi_call_function(env, h, method, count, arguments, &result);
    return result;
}

/* h.handle(method, callback) */
static inline void handle(napi_env env, napi_value h, const char *method, napi_callback callback) {
    const napi_value arguments[] = { text(env, method), function(env, method, callback) };
    call(env, h, "handle", 2, arguments);
}

/* The handle that modMain(h) is called with. */
static inline napi_value handle_of(napi_env env, napi_callback_info info) {
    size_t count = 1;
    napi_value h = NULL;
    napi_get_cb_info(env, info, &count, &h, NULL, NULL);
    return h;
}
