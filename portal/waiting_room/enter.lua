-- A visitor stands at the form: may it in, or where does it stand? One call, whatever the answer.
-- The constants in capitals are pace.py's, set before this text. Times are seconds as in tickets.py.
--
-- line    those who wait, by place: a moment; one in the future is a ticket drawn before an opening
-- turns   whose turn came, by when that ends        inside  who was let in, by when that ends
-- due     by when the page of one in line looks   pace    how many are let in, and how it is going
-- done    the sign-up this ticket was used up by    sending the form that is being sent with it
-- processes of the web that ask, by when they last did
local line, turns, inside, due, pace_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local processes, done, sending, of_one, of_network = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local now_text, id, place = ARGV[1], ARGV[2], ARGV[3]
local now = tonumber(now_text)
local is_moved, is_counted = ARGV[4] == '1', ARGV[5] == '1'
local opens_at, let_in_until, form = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local process, measured, slow_ones, late_ones = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local longest, always = tonumber(ARGV[13]), ARGV[14] == 'on'
local wants_marks, looked = ARGV[15] == '1', 16

-- How many web processes share the work: from that the first pace is guessed.
local function guess(number) return PACE_OF_A_PROCESS * math.max(PROCESSES_AT_LEAST, number) end
redis.call('ZREMRANGEBYSCORE', processes, '-inf', now - UNHEARD)
local is_new = redis.call('ZADD', processes, now, process) == 1
local at_work = redis.call('ZCARD', processes)
local pace_at_first = guess(at_work)

local kept = redis.call('HMGET', pace_key, 'pace', 'credit', 'ticked', 'judged', 'count', 'slow', 'served', 'is_known', 'given',
  'since', 'seen', 'seen_for', 'late', 'longest', 'gate', 'fell_from')
local pace = tonumber(kept[1]) or pace_at_first
local credit = tonumber(kept[2]) or pace * BURST
local ticked = tonumber(kept[3]) or now
local judged = tonumber(kept[4]) or now
local count = (tonumber(kept[5]) or 0) + measured
local slow = (tonumber(kept[6]) or 0) + slow_ones
local late = (tonumber(kept[13]) or 0) + late_ones
longest = math.max(tonumber(kept[14]) or 0, longest)
local gate = tonumber(kept[15]) or credit
local fell_from = tonumber(kept[16]) or 0

local served, is_known = tonumber(kept[7]) or 0, kept[8] == '1'
local given = tonumber(kept[9]) or 0
local since = tonumber(kept[10]) or judged
local seen, seen_for = tonumber(kept[11]) or 0, tonumber(kept[12]) or 0

if is_new and not is_known and pace < pace_at_first and pace >= guess(at_work - 1) then
  local more = (pace_at_first - pace) * BURST
  pace, credit, gate = pace_at_first, credit + more, gate + more
end

-- Who was told its place from what a process had seen: until when its page is not overdue. Where many of them are not
-- in the line, it was lost, and they come back by asking.
local here, lost = (#ARGV - looked + 1) / 2, 0
for at = looked, #ARGV, 2 do
  local id_of_one, by = ARGV[at], ARGV[at + 1]
  if not redis.call('ZSCORE', line, id_of_one) then
    lost = lost + 1
  elseif tonumber(redis.call('HGET', due, id_of_one) or 0) < tonumber(by) then
    redis.call('HSET', due, id_of_one, by)
  end
end
local is_whole = lost <= 1 + LOST_ONES_MAY_BE * here

local function waiting() return redis.call('ZCOUNT', line, '-inf', now_text) end

-- A clock that was wrong must not stop the line.
if ticked > now + CLOCKS_DIFFER_BY or judged > now + JUDGED_EVERY + UNDER_WAY_AT_MOST + CLOCKS_DIFFER_BY then
  ticked, judged, since = now, now, now
end

-- What was measured moves the pace: to what is served where requests were slow, else up while somebody waits; twofold
-- until it is known what can be served. Sign-ups come back in waves, as forms are written and pages look again: how
-- many a second is counted over the last few judgements, from the first that came back.
if now < judged then
  count, slow, late, longest = 0, 0, 0, 0 -- begun before the last change
elseif now - judged >= JUDGED_EVERY then
  local passed = math.max(now - since, JUDGED_EVERY)
  local fade = math.exp(-passed / SEEN_OVER)
  seen, seen_for = seen * fade, seen_for * fade
  if seen < FORGOTTEN then seen, seen_for = 0, 0 end
  if served + seen > 0 then
    local lasting = SEEN_OVER * (1 - fade)
    seen, seen_for = seen + served * lasting / passed, seen_for + lasting
  end
  local a_second = seen_for > 0 and seen / seen_for or 0
  judged = now
  for _, key in ipairs({processes, pace_key}) do redis.call('EXPIRE', key, 2 * TICKET_GOOD_FOR) end
  if slow > 1 + SLOW_ONES_MAY_BE * count then
    local before = pace
    fell_from = is_known and before or math.max(fell_from, before)
    if a_second == 0 then
      pace = pace * SLOWER_BY
    elseif a_second < math.min(pace, given / passed) * AS_MANY_AS_COME_BACK then
      pace, is_known = math.max(a_second, pace * SLOWER_AT_MOST_BY), true
    else
      is_known = true
    end
    if late > 1 + SLOW_ONES_MAY_BE * count and a_second > 0 then
      pace = math.min(pace, math.max(a_second * SO_THAT_LATE_ONES_END, before * SLOWER_AT_MOST_BY))
    end
    pace = math.max(SLOWEST, pace)
    credit, gate = math.min(credit, pace), math.min(gate, pace)
    judged = now + math.min(math.max(JUDGED_EVERY, longest), UNDER_WAY_AT_MOST)
  else
    local is_asked_for = count > 0 and waiting() > 0
    -- Where nobody waits, nobody knows whether so many processes are still at work.
    if waiting() == 0 then pace = math.min(pace, (1 + FASTER_AT_FIRST) * pace_at_first) end
    if pace < pace_at_first or is_asked_for then
      local most = math.min(FASTEST, math.max(pace_at_first, a_second * (1 + FASTER_AT_FIRST)))
      local back = fell_from * BACK_AT_ONCE
      if is_asked_for and pace < back then
        pace = math.min(back, pace * (1 + FASTER_AT_FIRST))
      else
        local faster = is_asked_for and not is_known and FASTER_AT_FIRST or FASTER_BY
        pace = math.max(pace, math.min(most, pace + math.max(0.5, pace * faster)))
      end
    end
  end
  count, slow, late, longest, served, given, since = 0, 0, 0, 0, 0, 0, now
end

-- Time that passed gives turns, and lets in who comes to take one. Pages that sleep take theirs later: while fewer come
-- than may, more get their turn, and if all come at once, some go back to their place in the line.
local most = math.max(BURST_AT_LEAST, pace * BURST)
if now > ticked then
  if math.floor(now) > math.floor(ticked) then
    redis.call('ZREMRANGEBYSCORE', turns, '-inf', now_text)
    redis.call('ZREMRANGEBYSCORE', inside, '-inf', now_text)
  end
  local passed = (now - ticked) * pace
  credit = math.min(most, credit + passed * (gate < most and 1 or TURNS_WHILE_FEW_COME))
  gate = math.min(most, gate + passed)
  ticked = now
end
for _ = 1, 200 do
  if credit < 1 then break end
  local head = redis.call('ZRANGEBYSCORE', line, '-inf', now_text, 'LIMIT', 0, 1)[1]
  if not head then break end
  if now <= tonumber(redis.call('HGET', due, head) or 0) then credit = credit - 1 end
  redis.call('ZREM', line, head)
  redis.call('HDEL', due, head)
  redis.call('ZADD', turns, now + TURN_KEPT, head)
end

-- How many wait, and the places of some: of the first, the last, and at even steps between. Of a short line nothing.
local function marks()
  local number = wants_marks and is_whole and waiting() or 0
  if number < MARKS_OF_A_VIEW then return {} end
  local places = {}
  for step = 0, MARKS_OF_A_VIEW - 1 do
    local where = math.floor((number - 1) * step / (MARKS_OF_A_VIEW - 1))
    places[step + 1] = redis.call('ZRANGE', line, where, where, 'WITHSCORES')[2]
  end
  return {number, places}
end

local function answer(verdict, where, among, until_then)
  redis.call('HSET', pace_key, 'pace', pace, 'credit', credit, 'ticked', ticked, 'judged', judged,
    'count', count, 'slow', slow, 'served', served, 'is_known', is_known and '1' or '0', 'given', given,
    'since', since, 'seen', seen, 'seen_for', seen_for, 'late', late,
    'longest', longest, 'gate', gate, 'fell_from', fell_from)
  return {verdict, where or 0, among or 0, tostring(pace), at_work, tostring(until_then or 0), marks()}
end

local function let_in(until_then)
  if form ~= '' then
    local other = redis.call('GET', sending)
    if other and other ~= form then return answer('sending') end
    redis.call('SET', sending, form, 'EX', 30)
  end
  redis.call('ZADD', inside, until_then, id)
  return answer('in', 0, 0, until_then)
end

local function stand()
  local where = redis.call('ZRANK', line, id)
  -- pace.interval looks again before its turn or when it comes, and before the opening for the last time at its turn.
  local to_opening = math.max(0, math.min(opens_at - now, LAST_LOOK_BEFORE))
  redis.call('HSET', due, id, now + to_opening + where / pace + AWAY_AFTER)
  if now < opens_at then
    local early = redis.call('ZCOUNT', line, opens_at - 1, '(' .. opens_at)
    if early <= CROWD_BEFORE_OPENING and not always then return answer('early', where, early) end
    return answer('before', where, early)
  end
  return answer('wait', where, waiting())
end

-- How many live tickets stand under this address or network; those that are over are forgotten on the way.
local function is_full(key, number, share)
  local limit = math.max(number, share * (redis.call('ZCARD', line) + redis.call('ZCARD', inside)))
  if redis.call('ZCARD', key) < limit then return false end
  for _, other in ipairs(redis.call('ZRANGE', key, 0, 199)) do
    if not (redis.call('ZSCORE', line, other) or redis.call('ZSCORE', turns, other)
        or redis.call('ZSCORE', inside, other)) then
      redis.call('ZREM', key, other)
    end
  end
  return redis.call('ZCARD', key) >= limit
end

local used = redis.call('GET', done)
if used then
  -- Its answer was lost on the way: whoever sends the same form again gets the same answer.
  if form ~= '' and form ~= '-' and used == form then return answer('again') end
  return answer('spent')
end

if now < opens_at then
  -- The opening was moved to a later time: what was given for the old one is taken back.
  redis.call('ZREM', turns, id)
  redis.call('ZREM', inside, id)
  let_in_until = 0
end
local since_then = tonumber(redis.call('ZSCORE', inside, id) or let_in_until)
if since_then > now then return let_in(since_then) end
if tonumber(redis.call('ZSCORE', turns, id) or 0) > now then
  redis.call('ZREM', turns, id)
  local first = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')[2]
  if gate >= 1 and not (first and tonumber(first) < tonumber(place)) then
    gate, given = gate - 1, given + 1
    return let_in(now + TIME_FOR_THE_FORM)
  end
  redis.call('ZADD', line, place, id)
  return stand()
end
if redis.call('ZSCORE', line, id) then
  if is_moved then redis.call('ZADD', line, place, id) end
  return stand()
end

-- New here; or the line was lost, its turn came while it slept, or its time for the form ran out: then its place is
-- the old one. Its network must have a share for it: tickets can be had in quiet hours, for a rush that comes later.
local is_direct = now >= opens_at and not always and credit >= 1 and gate >= 1 and waiting() == 0
if is_counted then
  local times = 1
  if is_direct and credit >= most / 2 then times = TIMES_WHEN_QUIET end
  if is_full(of_one, times * OF_ONE, SHARE_OF_ONE)
      or is_full(of_network, times * OF_A_NETWORK, SHARE_OF_A_NETWORK) then
    return answer('many', 0, waiting())
  end
  for _, key in ipairs({of_one, of_network}) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - TICKET_GOOD_FOR)
    redis.call('ZADD', key, now_text, id)
    redis.call('EXPIRE', key, TICKET_GOOD_FOR)
  end
end
if is_direct then
  credit, gate, given = credit - 1, gate - 1, given + 1
  return let_in(now + TIME_FOR_THE_FORM)
end
redis.call('ZADD', line, place, id)
-- After the last who came, and the hour before an opening that its ticket may wait.
for _, key in ipairs({line, turns, inside, due, pace_key, processes}) do redis.call('EXPIRE', key, 2 * TICKET_GOOD_FOR) end
return stand()
