-- Hosts one Lua module: host.lua FILE, with the channel as standard input and output (docs/wire-protocol.md).
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local json = require("json")

local channel_in, channel_out = io.stdin, io.stdout
io.output(io.stderr)
function print(...)
  io.stderr:write(table.concat(table.pack(...), "\t"), "\n")
end

local RUNNING, FINALIZING, EXITED = 1, 2, 3
local NORESPONSE, STREAMING = 1, 2
local EINVAL, ENOSYS, ECONNRESET = 22, 38, 104
local MAX_HEADER, MAX_PAYLOAD = 64 << 10, 64 << 20

local function receive()
  local lengths = channel_in:read(8)
  -- The broker has gone.
  if lengths == nil or #lengths < 8 then os.exit(1) end
  local header_len, payload_len = string.unpack(">I4I4", lengths)
  assert(header_len <= MAX_HEADER and payload_len <= MAX_PAYLOAD, "a message over the limits")
  local message = json.decode(channel_in:read(header_len))
  if message.payload ~= nil then message.raw = payload_len > 0 and channel_in:read(payload_len) or "" end
  return message
end

local function send(header, payload)
  local text = json.encode(header)
  payload = payload or ""
  channel_out:write(string.pack(">I4I4", #text, #payload), text, payload)
  channel_out:flush()
end

local function payload_of(message)
  if message.payload == "json" then return json.decode(message.raw) end
  return message.raw
end

local Handle = {}
Handle.__index = Handle

local function report(status, failure)
  local payload = { status = status, errnum = failure and failure.errnum or 0, error = failure and failure.message }
  send({ type = "request", topic = "module.status", flags = NORESPONSE, payload = "json" }, json.encode(payload))
end

local function respond(request, errnum, text, kind, payload)
  if (request.flags or 0) & NORESPONSE ~= 0 then return end
  local header = { type = "response", topic = request.topic, matchtag = request.matchtag, errnum = errnum }
  header.route, header.error, header.payload = json.array(request.route), text, kind
  send(header, payload)
end

-- The error of a handler: a table with errnum is an answer, any other value a fault of the program.
local function with_traceback(thrown)
  if type(thrown) == "table" and thrown.errnum then return thrown end
  return { errnum = ECONNRESET, message = debug.traceback(tostring(thrown)), is_fault = true }
end

function Handle:answer(request)
  local method = request.topic:match("%.(.*)$") or ""
  local handler = self.handlers[method]
  if handler == nil then return respond(request, ENOSYS, request.topic .. ": no such method") end
  local ok, result = xpcall(handler, with_traceback, payload_of(request), request)
  if not ok and result.is_fault then error(result, 0) end
  if not ok then return respond(request, result.errnum, result.message) end
  if request.answered then return end
  if result == nil then return respond(request, 0) end
  respond(request, 0, nil, "json", json.encode(result))
end

function Handle:dispatch(message)
  if message.type == "request" then return self:answer(message) end
  if message.type == "response" then return self:subscription_ended(message) end
  local listener = message.type == "event" and self.listeners[message.topic]
  if listener then listener(payload_of(message), message) end
end

-- Answers NAME.method with what the function returns.
function Handle:handle(method, handler)
  self.handlers[method] = handler
end

-- Sends a request and waits for the response. Messages that arrive meanwhile are handled afterwards, in their order.
function Handle:rpc(topic, payload, flags)
  self.matchtag = self.matchtag + 1
  local header = { type = "request", topic = topic, matchtag = self.matchtag, payload = payload ~= nil and "json" or nil }
  header.flags = flags
  send(header, payload ~= nil and json.encode(payload) or nil)
  while true do
    local message = receive()
    if message.type == "response" and message.matchtag == self.matchtag then
      if (message.errnum or 0) == 0 then return payload_of(message) end
      error({ errnum = message.errnum, message = message.error })
    end
    table.insert(self.waiting, message)
  end
end

-- Calls the function with the payload of each event of the topic. After missed events the broker ends the subscription: on_end
-- may subscribe again. Without it the module fails.
function Handle:subscribe(topic, listener, on_end)
  self.listeners[topic] = listener
  self:rpc("event.subscribe", { topic = topic }, STREAMING)
  self.ends[self.matchtag] = on_end or function(failure) error(failure) end
end

function Handle:subscription_ended(response)
  local on_end = self.ends[response.matchtag]
  self.ends[response.matchtag] = nil
  if on_end and response.errnum ~= 0 then on_end({ errnum = response.errnum, message = response.error }) end
end

-- Enters the event loop; returns at shutdown.
function Handle:run()
  report(RUNNING)
  self.is_running = true
  while self.is_running do
    self:dispatch(table.remove(self.waiting, 1) or receive())
  end
end

local function default_handlers(h)
  h:handle("ping", function(_, request)
    request.answered = true
    respond(request, 0, nil, request.payload, request.raw)
  end)
  h:handle("shutdown", function() h.is_running = false end)
end

local function finalize(h)
  h.handlers = {}
  local waiting = h.waiting
  h.waiting = {}
  h:rpc("module.status", { status = FINALIZING })
  for _, queue in ipairs({ waiting, h.waiting }) do
    for _, message in ipairs(queue) do h:dispatch(message) end
  end
end

local welcome = payload_of(receive())
local h = setmetatable({ handlers = {}, listeners = {}, ends = {}, waiting = {}, matchtag = 0 }, Handle)
h.name, h.args, h.rank, h.size = welcome.name, welcome.args, welcome.rank, welcome.size
default_handlers(h)

local chunk, problem = loadfile(arg[1])
local ok, failure = false, { errnum = EINVAL, message = problem }
if chunk then ok, failure = xpcall(chunk, with_traceback, h) end
if h.is_running ~= nil then finalize(h) end
if ok and h.is_running == nil then failure = { errnum = EINVAL, message = arg[1] .. ": returned without h:run()" } end
report(EXITED, failure)
os.exit(failure == nil and 0 or 1)
