-- A module in Lua. The file runs with its handle as the argument, registers handlers, and enters the event loop.
local h = ...
local count = tonumber(h.args[1]) or 0

h:handle("next", function()
  count = count + 1
  return { count = count, by = h.name }
end)

h:handle("add", function(payload)
  if math.type(payload.n) ~= "integer" then
    error({ errnum = 22, message = "add: 'n' must be an integer" })
  end
  count = count + payload.n
  return { count = count }
end)

h:handle("rank", function()
  return h:rpc("attr.get", { name = "rank" }).value
end)

h:handle("break", function()
  return nil .. "a fault of the program"
end)

local function follow_resets()
  -- After missed events it continues with the next reset.
  h:subscribe("counter.reset", function(event) count = event.count end, follow_resets)
end
follow_resets()

h:run()
