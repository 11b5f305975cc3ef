-- JSON for the host of Lua modules. A table is an array if json.array() has marked it, or if it has a first element.
local json = { null = setmetatable({}, { __tostring = function() return "null" end }) }
local ARRAY = {}

function json.array(items)
  return setmetatable(items or {}, ARRAY)
end

local UNESCAPED = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }
local WORDS = { ["true"] = true, ["false"] = false, null = json.null }
local decode_value

local function skip(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

local function decode_unicode(text, at)
  local unit = tonumber(text:match("^%x%x%x%x", at), 16)
  local low = unit >= 0xD800 and unit < 0xDC00 and text:match("^\\u([dD][c-fC-F]%x%x)", at + 4)
  if not low then return utf8.char(unit), at + 4 end
  return utf8.char(0x10000 + ((unit - 0xD800) << 10) + tonumber(low, 16) - 0xDC00), at + 10
end

local function decode_string(text, at)
  local parts = {}
  while true do
    local stop = assert(text:find('["\\]', at), "JSON: a string has no end")
    parts[#parts + 1] = text:sub(at, stop - 1)
    if text:sub(stop, stop) == '"' then return table.concat(parts), stop + 1 end
    local letter = text:sub(stop + 1, stop + 1)
    if letter == "u" then
      parts[#parts + 1], at = decode_unicode(text, stop + 2)
    else
      parts[#parts + 1], at = assert(UNESCAPED[letter], "JSON: unknown escape"), stop + 2
    end
  end
end

-- The items between brackets; `read` takes one and gives the place after it.
local function decode_items(text, at, closing, read)
  at = skip(text, at)
  if text:sub(at, at) == closing then return at + 1 end
  while true do
    at = skip(text, read(at))
    local separator = text:sub(at, at)
    if separator == closing then return at + 1 end
    assert(separator == ",", "JSON: expected ',' or '" .. closing .. "'")
    at = skip(text, at + 1)
  end
end

function decode_value(text, at)
  at = skip(text, at)
  local first = text:sub(at, at)
  if first == '"' then return decode_string(text, at + 1) end
  if first == "[" then
    local items = json.array()
    return items, decode_items(text, at + 1, "]", function(from)
      items[#items + 1], from = decode_value(text, from)
      return from
    end)
  end
  if first == "{" then
    local object = {}
    return object, decode_items(text, at + 1, "}", function(from)
      assert(text:sub(from, from) == '"', "JSON: expected a key")
      local key, after = decode_string(text, from + 1)
      local colon = skip(text, after)
      assert(text:sub(colon, colon) == ":", "JSON: expected ':'")
      object[key], after = decode_value(text, colon + 1)
      return after
    end)
  end
  local word = text:match("^%a+", at)
  if word and WORDS[word] ~= nil then return WORDS[word], at + #word end
  local number = assert(text:match("^-?%d[%d.eE+-]*", at), "JSON: expected a value")
  return assert(tonumber(number), "JSON: not a number"), at + #number
end

function json.decode(text)
  local value, at = decode_value(text, 1)
  assert(skip(text, at) > #text, "JSON: more than one value")
  return value
end

local function encode_string(value)
  return '"' .. value:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
end

function json.encode(value)
  local kind = math.type(value) or type(value)
  if value == json.null or value == nil then return "null" end
  if kind == "boolean" or kind == "integer" then return tostring(value) end
  if kind == "float" then return ("%.17g"):format(value) end
  if kind == "string" then return encode_string(value) end
  assert(kind == "table", "JSON has no " .. kind)
  local parts = {}
  if getmetatable(value) == ARRAY or value[1] ~= nil then
    for _, item in ipairs(value) do parts[#parts + 1] = json.encode(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, item in pairs(value) do parts[#parts + 1] = encode_string(key) .. ":" .. json.encode(item) end
  return "{" .. table.concat(parts, ",") .. "}"
end

return json
