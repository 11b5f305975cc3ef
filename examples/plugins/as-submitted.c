/*
 * A policy in C, as a Node-API addon: jobs as they were submitted, and none passes one that has to wait.
 *
 *     cc -shared -fPIC -Wall -o as-submitted.node as-submitted.c
 *
 * The few functions that it needs are declared here, as their ABI is stable and not every machine has the headers of Node.
 */
#include <stddef.h>
#include <stdint.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);

int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_create_string_utf8(napi_env, const char *, size_t, napi_value *);
int napi_create_array(napi_env, napi_value *);
int napi_get_array_length(napi_env, napi_value, uint32_t *);
int napi_get_element(napi_env, napi_value, uint32_t, napi_value *);
int napi_set_element(napi_env, napi_value, uint32_t, napi_value);
int napi_get_named_property(napi_env, napi_value, const char *, napi_value *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
int napi_get_value_int64(napi_env, napi_value, int64_t *);
int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
int napi_throw_type_error(napi_env, const char *, const char *);

#define AUTO_LENGTH ((size_t)-1)

static napi_value text(napi_env env, const char *utf8) {
    napi_value value = NULL;
    napi_create_string_utf8(env, utf8, AUTO_LENGTH, &value);
    return value;
}

static napi_value title(napi_env env, napi_callback_info info) {
    (void)info;
    return text(env, "jobs as they were submitted");
}

static napi_value select_jobs(napi_env env, napi_callback_info info) {
    size_t count = 2;
    napi_value arguments[2] = { NULL, NULL }, started = NULL;
    uint32_t length = 0, next = 0;
    int64_t left = 0;
    napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
    if (count < 2 || napi_get_array_length(env, arguments[0], &length) != 0 ||
        napi_get_value_int64(env, arguments[1], &left) != 0) {
        napi_throw_type_error(env, NULL, "select takes a queue and a number of cores");
        return NULL;
    }
    napi_create_array(env, &started);
    for (uint32_t i = 0; i < length; i++) {
        napi_value job = NULL, id = NULL, value = NULL;
        int64_t cores = 0;
        napi_get_element(env, arguments[0], i, &job);
        napi_get_named_property(env, job, "id", &id);
        napi_get_named_property(env, job, "cores", &value);
        if (napi_get_value_int64(env, value, &cores) != 0) {
            napi_throw_type_error(env, NULL, "a job has no number of cores");
            return NULL;
        }
        if (cores > left) break;
        left -= cores;
        napi_set_element(env, started, next++, id);
    }
    return started;
}

static void export_function(napi_env env, napi_value exports, const char *name, napi_callback callback) {
    napi_value function = NULL;
    napi_create_function(env, name, AUTO_LENGTH, callback, NULL, &function);
    napi_set_named_property(env, exports, name, function);
}

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
    napi_set_named_property(env, exports, "pluginKind", text(env, "sched-policy"));
    export_function(env, exports, "title", title);
    export_function(env, exports, "select", select_jobs);
    return exports;
}
