-- Posts the files named after `--` in turn (the first word there is their content type) and prints
-- one line of JSON at the end. Globals, since wrk reads a thread's results by their names.

local thread

function setup(made)
  thread = made
end

function init(args)
  requests, last = {}, 0
  statuses = {}
  local headers = { ["Content-Type"] = args[1] }
  for number = 2, #args do
    local file = assert(io.open(args[number], "rb"))
    requests[number - 1] = wrk.format("POST", nil, headers, file:read("*a"))
    file:close()
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function response(status)
  local name = tostring(status)
  statuses[name] = (statuses[name] or 0) + 1
end

function done(summary, latency)
  local counts = {}
  for status, count in pairs(thread:get("statuses")) do
    table.insert(counts, string.format('"%s": %d', status, count))
  end
  local errors = summary.errors
  print(string.format(
    '{"microseconds": %d, "p50": %d, "p99": %d, "mean": %d, "failures": %d, "statuses": {%s}}',
    summary.duration, latency:percentile(50), latency:percentile(99), latency.mean,
    errors.connect + errors.read + errors.write + errors.timeout, table.concat(counts, ", ")))
end
