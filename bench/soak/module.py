"""The same as module.mjs, in Python."""


def handlers(h):
    def echo(msg):
        h.respond(msg, msg.raw)

    def never(msg):
        del msg

    def throw(msg):
        raise RuntimeError("derailed")

    return {"echo": echo, "never": never, "throw": throw}


def mod_main(h, *args):
    if "fail" in args:
        raise OSError(19, "no track")
    for method, handler in handlers(h).items():
        h.msg_watcher(lambda _h, _w, msg, call: call(msg), topic_glob=f"*.{method}", args=handler).start()
    h.run()
