-- SPDX-License-Identifier: MIT
-- The session database, schema version 8 (PRAGMA user_version). Changes only add.
--
-- Tables are private to mpsample; scripts read the views (sql/views/), which stay as they are.
-- All times (`_ns`) are nanoseconds of CLOCK_MONOTONIC, the session clock; `clock` maps them to wall time.
-- Addresses are the target's, as signed 64-bit integers.

CREATE TABLE session (          -- what was recorded, how, and on what: see v_session for the keys
  key   TEXT PRIMARY KEY,
  value TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE clock (            -- the session clock against wall time, a row a second
  mono_ns INTEGER PRIMARY KEY,
  real_ns INTEGER NOT NULL
) STRICT;

-- Constants of the format, so that no reader needs more than SQL.

CREATE TABLE op (
  op_id INTEGER PRIMARY KEY,
  name  TEXT NOT NULL
) STRICT;

CREATE TABLE size_class (
  size_class INTEGER PRIMARY KEY,
  lo_bytes   INTEGER NOT NULL,
  hi_bytes   INTEGER NOT NULL   -- inclusive
) STRICT;

CREATE TABLE bucket (
  bucket INTEGER PRIMARY KEY,
  lo_ns  INTEGER NOT NULL,
  hi_ns  INTEGER NOT NULL       -- inclusive
) STRICT;

-- The target.

CREATE TABLE thread (
  thread_id INTEGER PRIMARY KEY,
  tid       INTEGER NOT NULL,
  comm      TEXT,
  start_ns  INTEGER,
  end_ns    INTEGER             -- NULL: alive at the end
) STRICT;

CREATE TABLE module (           -- executable mappings
  module_id   INTEGER PRIMARY KEY,
  path        TEXT NOT NULL,
  build_id    TEXT,             -- lower-case hex
  start_addr  INTEGER NOT NULL,
  end_addr    INTEGER NOT NULL, -- exclusive
  file_offset INTEGER NOT NULL,
  t_ns        INTEGER NOT NULL, -- mapped at, or first seen
  bias        INTEGER,          -- run-time address minus the address in the file; NULL: the file was not readable
  note        TEXT              -- why its names or stacks are poorer than they could be
) STRICT;

CREATE TABLE probe (            -- what the uprobe plane put into the target
  probe_id  INTEGER PRIMARY KEY,
  op_id     INTEGER NOT NULL,
  function  TEXT NOT NULL,
  module    TEXT NOT NULL,
  allocator TEXT NOT NULL,
  file_offset INTEGER NOT NULL,
  skipped_bytes INTEGER NOT NULL -- from the function's entry to the probed instruction
) STRICT;

CREATE TABLE frame (            -- a code address of a stack; names are filled in when the recording ends, or later
  frame_id  INTEGER PRIMARY KEY,
  addr      INTEGER NOT NULL,   -- the return address: the call stands before it
  module_id INTEGER,            -- the mapping that held it then; NULL: none that is known
  t_ns      INTEGER,            -- first seen
  module    TEXT,
  offset    INTEGER,            -- from the function's start; from the module's base where no function is known
  function  TEXT,
  file      TEXT,
  line      INTEGER,
  quality   INTEGER NOT NULL DEFAULT 0 -- rank of the source of the name, see symbolize/symbolize.h
) STRICT;

CREATE TABLE frame_inline (     -- the functions at an address where some are inlined: the frame's own one is the last
  frame_id INTEGER NOT NULL,
  level    INTEGER NOT NULL,    -- 0 is the innermost
  function TEXT,
  file     TEXT,
  line     INTEGER,             -- of the address; of all but the innermost, of the call that was inlined
  PRIMARY KEY (frame_id, level)
) STRICT, WITHOUT ROWID;

CREATE TABLE stack (
  stack_id INTEGER PRIMARY KEY,
  site     TEXT,                -- the first frame outside the allocator and its wrappers
  quality  INTEGER NOT NULL DEFAULT 0, -- by what it was unwound, the worst of its frames: see symbolize/unwind/unwind.h
  ended    INTEGER NOT NULL DEFAULT 0  -- why it ends where it ends: likewise
) STRICT;

CREATE TABLE stack_frame (      -- depth 0 is the caller of the allocator
  stack_id INTEGER NOT NULL,
  depth    INTEGER NOT NULL,
  frame_id INTEGER NOT NULL,
  shown    INTEGER,             -- depth in v_stack, where inlined functions count; NULL: as `depth`
  PRIMARY KEY (stack_id, depth)
) STRICT, WITHOUT ROWID;

-- Every call, counted.

CREATE TABLE slot (             -- the slots that counts are kept by: one follows the other. About a second each, until
  slot_ns INTEGER PRIMARY KEY,  -- `record --max-size` rolls old ones up into longer ones
  dur_ns  INTEGER NOT NULL
) STRICT;

CREATE TABLE latency (          -- exact: every call of a slot by operation, size class and duration bucket
  slot_ns    INTEGER NOT NULL,  -- start of the slot
  op_id      INTEGER NOT NULL,
  size_class INTEGER NOT NULL,
  bucket     INTEGER NOT NULL,
  calls      INTEGER NOT NULL,
  PRIMARY KEY (slot_ns, op_id, size_class, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE latency_sum (      -- exact: what buckets cannot give
  slot_ns    INTEGER NOT NULL,
  op_id      INTEGER NOT NULL,
  size_class INTEGER NOT NULL,
  calls      INTEGER NOT NULL,
  bytes      INTEGER NOT NULL,
  sum_ns     INTEGER NOT NULL,
  max_ns     INTEGER NOT NULL,
  PRIMARY KEY (slot_ns, op_id, size_class)
) STRICT, WITHOUT ROWID;

CREATE TABLE latency_window (   -- of each slot, the window of about 100 ms that had the highest p99
  slot_ns    INTEGER NOT NULL,
  op_id      INTEGER NOT NULL,
  t_ns       INTEGER NOT NULL,  -- where the window begins
  dur_ns     INTEGER NOT NULL,  -- how long it is
  calls      INTEGER NOT NULL,
  p99_ns     INTEGER NOT NULL,  -- upper end of its bucket
  PRIMARY KEY (slot_ns, op_id)
) STRICT, WITHOUT ROWID;

-- Some calls, kept as rows.

CREATE TABLE call (
  call_id    INTEGER PRIMARY KEY,
  t_ns       INTEGER NOT NULL,  -- start of the call
  tid        INTEGER NOT NULL,
  op_id      INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  addr       INTEGER NOT NULL,  -- the block returned; the block handed in for free and delete
  dur_ns     INTEGER NOT NULL,  -- the plane's floor is subtracted
  kept       INTEGER NOT NULL,  -- 1 outlier, 2 sample, 3 full
  weight     INTEGER NOT NULL,  -- how many calls the row stands for
  stack_id   INTEGER,           -- NULL: no stack was taken
  scope_id   INTEGER            -- the component that its thread said it was in (component_scope); NULL: none
) STRICT;

CREATE TABLE kernel_event (
  event_id INTEGER PRIMARY KEY,
  t_ns     INTEGER NOT NULL,
  tid      INTEGER NOT NULL,
  kind     TEXT NOT NULL,       -- as in `cause`
  dur_ns   INTEGER,             -- NULL: not known
  addr     INTEGER,             -- the faulting address; the new CPU of a migration
  ip       INTEGER              -- the faulting instruction
) STRICT;

CREATE TABLE cause (            -- why a kept call was slow: its time, divided. The rows of a call add up to its duration
  call_id INTEGER NOT NULL,
  kind    TEXT NOT NULL,        -- minor_fault major_fault thp syscall:<name> lock off_cpu stopped migration irq softirq
                                -- mmap_lock gc cache hiccup unexplained
  dur_ns  INTEGER NOT NULL,     -- by this alone: what interrupted it counts as what that was
  n       INTEGER NOT NULL,     -- how often
  detail  TEXT,                 -- what is known besides: of off_cpu, which thread ran instead
  PRIMARY KEY (call_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (          -- exact counts by slot, also of events that were not kept as rows
  slot_ns INTEGER NOT NULL,
  name    TEXT NOT NULL,
  value   INTEGER NOT NULL,
  PRIMARY KEY (slot_ns, name)
) STRICT, WITHOUT ROWID;

-- The hardware plane: what perf events say of code and of data.

CREATE TABLE event (            -- one row an event of -e or --count, or of an imported recording
  event_id INTEGER PRIMARY KEY,
  name     TEXT NOT NULL,       -- as it was asked for
  chosen   TEXT,                -- what that came to on this machine, or that it was recorded as
  is_sampled INTEGER NOT NULL,  -- 1: its samples are rows; 0: it is only counted
  quality  INTEGER NOT NULL,    -- the best that its samples can be: as in `sample`
  note     TEXT                 -- what is known to be missing
) STRICT;

CREATE TABLE sample (           -- hardware and software samples
  sample_id  INTEGER PRIMARY KEY,
  t_ns       INTEGER NOT NULL,
  tid        INTEGER NOT NULL,
  cpu        INTEGER,
  event_id   INTEGER NOT NULL,
  ip         INTEGER,
  addr       INTEGER,           -- of the data; NULL: not told
  period     INTEGER NOT NULL,  -- it stands for so many of the event
  weight     INTEGER,           -- latency of the access in cycles, where the hardware tells
  data_src   INTEGER,           -- PERF_SAMPLE_DATA_SRC, as it came
  level      INTEGER,           -- enum mp_sample_level of store/append.h
  tlb        INTEGER,           -- 1: the address was in a TLB; 2: the page tables were walked
  is_write   INTEGER,           -- NULL: not known
  quality    INTEGER NOT NULL,  -- enum mp_sample_quality of store/append.h
  place      INTEGER,           -- what the address lies in: enum mp_sample_place; NULL: no address
  place_name TEXT,              -- the symbol, file or pool
  object_id  INTEGER,
  offset     INTEGER,           -- of the address in the object, the symbol or the file
  stack_id   INTEGER            -- of the code; depth 0 is the sampled instruction itself
) STRICT;

CREATE TABLE object (           -- allocations that samples fell into
  object_id  INTEGER PRIMARY KEY,
  addr       INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  born_ns    INTEGER NOT NULL,  -- its allocation returned
  died_ns    INTEGER,           -- its release began; NULL: alive at the end
  tid        INTEGER NOT NULL,  -- of the thread that allocated it
  stack_id   INTEGER            -- of its allocation
) STRICT;

CREATE TABLE block (            -- followed blocks, from birth to end (sampler/blocks/blocks.h)
  block_id   INTEGER PRIMARY KEY,
  addr       INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,  -- asked for
  op_id      INTEGER NOT NULL,  -- by which it was born
  tid        INTEGER NOT NULL,
  stack_id   INTEGER,
  born_ns    INTEGER NOT NULL,  -- that call returned
  died_ns    INTEGER,           -- its release began; of a lost one, until then it was known to be alive; NULL: alive at the end
  ended      INTEGER NOT NULL,  -- 0 alive, 1 freed, 2 moved by realloc, 3 lost: nobody told
  free_tid   INTEGER,           -- who released it
  weight     REAL NOT NULL,     -- 1 / the probability that it is here
  scope_id   INTEGER            -- as in `call`
) STRICT;

CREATE TABLE thread_counter (   -- hardware and software counters, by thread
  slot_ns    INTEGER NOT NULL,
  tid        INTEGER NOT NULL,
  event_id   INTEGER NOT NULL,
  value      INTEGER NOT NULL,  -- scaled by enabled_ns / running_ns where the counter was shared
  enabled_ns INTEGER NOT NULL,
  running_ns INTEGER NOT NULL,
  PRIMARY KEY (slot_ns, tid, event_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE mark (             -- things that happened in the target or to the recording: exec, fork, exit, ...
  mark_id INTEGER PRIMARY KEY,
  t_ns    INTEGER NOT NULL,
  tid     INTEGER,
  name    TEXT NOT NULL,
  detail  TEXT
) STRICT;

-- What markers say (sampler/preload/mpsample.h).

CREATE TABLE span (             -- begin to end of a named piece of work
  span_id INTEGER PRIMARY KEY,
  name    TEXT NOT NULL,
  id      INTEGER,              -- the program's own, told with begin and end: the unsigned number as a signed one
  tid     INTEGER NOT NULL,
  t_ns    INTEGER NOT NULL,
  dur_ns  INTEGER NOT NULL,
  alloc_ns    INTEGER,          -- of it, in allocation calls of its thread; NULL, here and below: not known
  alloc_calls INTEGER,          -- how many
  fault_ns    INTEGER,          -- in page faults of its thread, wherever they were
  off_cpu_ns  INTEGER,          -- its thread was off the CPU
  gc_ns       INTEGER           -- the process was stopped by a garbage collector
) STRICT;

CREATE TABLE phase (            -- of the trading session
  phase_id INTEGER PRIMARY KEY,
  name     TEXT NOT NULL,
  start_ns INTEGER NOT NULL,
  end_ns   INTEGER,
  source   TEXT NOT NULL        -- calendar mark marker
) STRICT;

CREATE TABLE pool (             -- pre-allocated pools
  pool_id      INTEGER PRIMARY KEY,
  name         TEXT NOT NULL,
  address      INTEGER,         -- by which the program knows it; NULL: there is one of the name, or one a size
  capacity     INTEGER,
  object_bytes INTEGER,
  created_ns   INTEGER,
  destroyed_ns INTEGER,
  source       TEXT             -- markers, the profile or the file that names its functions
) STRICT;

CREATE TABLE pool_use (         -- exact, by slot
  pool_id     INTEGER NOT NULL,
  slot_ns     INTEGER NOT NULL,
  in_use_min  INTEGER NOT NULL,
  in_use_max  INTEGER NOT NULL,
  gets        INTEGER NOT NULL,
  puts        INTEGER NOT NULL,
  failures    INTEGER NOT NULL,
  in_use_last INTEGER NOT NULL, -- at the slot's end
  in_use_bytes_max INTEGER,     -- bytes asked for; NULL: not told
  PRIMARY KEY (pool_id, slot_ns)
) STRICT, WITHOUT ROWID;

CREATE TABLE pool_latency (     -- how long gets and puts took, and how long objects were held
  pool_id INTEGER NOT NULL,
  slot_ns INTEGER NOT NULL,
  what    TEXT NOT NULL,        -- get put hold
  bucket  INTEGER NOT NULL,
  count   INTEGER NOT NULL,
  PRIMARY KEY (pool_id, slot_ns, what, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE pool_sum (         -- of the whole recording; NULL: not known
  pool_id         INTEGER PRIMARY KEY,
  gets            INTEGER NOT NULL,
  puts            INTEGER NOT NULL,
  failures        INTEGER NOT NULL,
  in_use          INTEGER NOT NULL, -- at the end
  in_use_max      INTEGER NOT NULL,
  in_use_max_t_ns INTEGER,
  in_use_max_tid  INTEGER,
  in_use_max_stack_id INTEGER,
  in_use_bytes_max INTEGER,
  requested_bytes INTEGER,      -- by all gets
  lost            INTEGER NOT NULL, -- gets and puts of which only the number is known
  double_puts     INTEGER NOT NULL,
  foreign_puts    INTEGER NOT NULL,
  older_puts      INTEGER NOT NULL, -- of objects that were taken before the recording, or by a get that was lost
  cross_puts      INTEGER NOT NULL, -- by another thread than the get
  hidden_failures INTEGER NOT NULL, -- while less than `capacity` was in use
  hidden_max      INTEGER NOT NULL, -- the most that was free at one
  threads         INTEGER NOT NULL, -- that took something out
  reuses          INTEGER NOT NULL, -- gets of objects that were put back before
  lifo_reuses     INTEGER NOT NULL, -- ... of that which was put back last
  fifo_reuses     INTEGER NOT NULL, -- ... first of those that were in the pool
  reuse_depth_p50 INTEGER,      -- so many in the pool had been put back later
  objects         INTEGER NOT NULL, -- different ones, by address
  lines           INTEGER,      -- cache lines (64 bytes) and pages (4096) that they lie in,
  lines_least     INTEGER,      -- and so many would do for in_use_max of them
  pages           INTEGER,
  pages_least     INTEGER
) STRICT;

CREATE TABLE pool_site (        -- who takes objects out; of the whole recording
  pool_id   INTEGER NOT NULL,
  ip        INTEGER NOT NULL,   -- the return address of the get; of markers, that of the marker
  stack_id  INTEGER,
  gets      INTEGER NOT NULL,
  holds     INTEGER NOT NULL,   -- that have ended
  hold_sum_ns INTEGER NOT NULL,
  hold_max_ns INTEGER NOT NULL,
  hold_p50_ns INTEGER,
  hold_p99_ns INTEGER,
  at_high_water INTEGER NOT NULL, -- held then
  held      INTEGER NOT NULL,   -- at the end of the recording or of the pool
  oldest_ns INTEGER,            -- since when, the oldest of them
  PRIMARY KEY (pool_id, ip)
) STRICT, WITHOUT ROWID;

CREATE TABLE pool_heap (        -- memory of pools of variable size, and of the allocator's heaps, now and then
  pool_id       INTEGER NOT NULL,
  t_ns          INTEGER NOT NULL,
  total_bytes   INTEGER NOT NULL,
  used_bytes    INTEGER NOT NULL,
  free_bytes    INTEGER NOT NULL,
  largest_free_bytes INTEGER NOT NULL,
  unfit_bytes   INTEGER,        -- free, in pieces too small for what is asked for lately (expected over that mix)
  free_pieces   INTEGER NOT NULL,
  requested_bytes INTEGER,      -- of used_bytes, what was asked for
  PRIMARY KEY (pool_id, t_ns)
) STRICT, WITHOUT ROWID;

CREATE TABLE pool_event (
  pool_event_id INTEGER PRIMARY KEY,
  pool_id  INTEGER NOT NULL,
  t_ns     INTEGER NOT NULL,
  tid      INTEGER,
  kind     TEXT NOT NULL,       -- empty high_water double_put double_get foreign_put not_returned grown
  addr     INTEGER,
  stack_id INTEGER,
  n        INTEGER              -- in use at high_water, free at empty, objects of not_returned, capacity of grown
) STRICT;

-- How far all this can be trusted, and what it cost.

CREATE TABLE loss (
  loss_id INTEGER PRIMARY KEY,
  t_ns    INTEGER NOT NULL,     -- end of the interval in which it was lost
  source  TEXT NOT NULL,        -- the buffer or limit that dropped it
  what    TEXT NOT NULL,        -- calls (missing in every figure) | rows (counted, not kept) | events
  lost    INTEGER NOT NULL
) STRICT;

-- Rows of one time are found when slots are rolled up.
CREATE INDEX loss_t_ns ON loss (t_ns);

CREATE TABLE thinned (          -- rows that gave way to `record --max-size`: not lost, for those that stayed stand for them
  name TEXT PRIMARY KEY,        -- call sample | call outlier | kernel_event | sample | span | mark | pool_event |
                                -- gc | gc_prediction | block | pressure | slot
  rows INTEGER NOT NULL         -- so many are not there any more
) STRICT, WITHOUT ROWID;

CREATE TABLE overhead (
  slot_ns INTEGER NOT NULL,
  plane   TEXT NOT NULL,
  events  INTEGER NOT NULL,     -- probe hits or kernel events handled
  cost_ns INTEGER NOT NULL,     -- their CPU time in the target: events x the cost calibrated at start
  mode    TEXT,                 -- all burst slow slow+burst mixed: what was probed; NULL, with the rest: no such choice
  watched_ns  INTEGER,          -- so much of the slot every call was watched
  windows     INTEGER,          -- so often that began in it
  window_cost_ns INTEGER,       -- of cost_ns, what came of watching every call
  cpu_ns      INTEGER,          -- CPU time of the target in the slot, the probes' included,
  watched_cpu_ns INTEGER,       -- and while every call was watched
  spans       INTEGER,          -- that ended in the slot, by functions or markers,
  watched_spans INTEGER,        -- and while every call was watched
  PRIMARY KEY (slot_ns, plane)
) STRICT, WITHOUT ROWID;

-- Garbage collections of the runtimes in the target, as their probes or their log tell them.
CREATE TABLE gc (
  gc_id      INTEGER PRIMARY KEY,
  t_ns       INTEGER NOT NULL,  -- the collector begins to work
  dur_ns     INTEGER NOT NULL,
  ttsp_ns    INTEGER,           -- of a pause: how long its threads took to stop, before it; NULL: not seen
  stopped_ns INTEGER,           -- of a pause: from the order to stop until they were let go; NULL: as dur_ns
  is_pause   INTEGER NOT NULL,  -- 0: beside the program, which goes on
  runtime    TEXT NOT NULL,     -- hotspot cpython v8 go boehm, or as a profile names it
  kind       TEXT,              -- young mixed full remark ... scavenge mark-compact ... gen0 gen1 gen2
  cause      TEXT,              -- in the runtime's words
  tid        INTEGER,           -- the thread that did it
  bytes_since_last INTEGER,     -- allocated since the one before
  source     TEXT NOT NULL      -- probes | log
) STRICT;

CREATE INDEX gc_t_ns ON gc (t_ns);

CREATE TABLE gc_pool (          -- memory before and after a collection
  gc_id INTEGER NOT NULL,
  pool  TEXT NOT NULL,          -- as the runtime names it; 'heap' is all of it
  used_before_bytes INTEGER,
  used_after_bytes  INTEGER,
  committed_bytes   INTEGER,
  max_bytes         INTEGER,
  PRIMARY KEY (gc_id, pool)
) STRICT, WITHOUT ROWID;

CREATE TABLE gc_phase (         -- parts of a collection, where the runtime shows them
  gc_id  INTEGER NOT NULL,
  name   TEXT NOT NULL,
  t_ns   INTEGER NOT NULL,
  dur_ns INTEGER NOT NULL,
  PRIMARY KEY (gc_id, t_ns, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE gc_prediction (    -- when the next pause was expected, made while recording
  made_ns INTEGER NOT NULL,
  runtime TEXT NOT NULL,
  kind    TEXT NOT NULL,        -- of the pause, one or several words; '': any
  due_ns  INTEGER NOT NULL,
  lo_ns   INTEGER NOT NULL,     -- between these it was expected with probability `coverage`
  hi_ns   INTEGER NOT NULL,
  coverage REAL NOT NULL,
  PRIMARY KEY (made_ns, runtime, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE gc_setting (       -- what is known of a runtime: its version, its collector, its limits
  runtime TEXT NOT NULL,
  name    TEXT NOT NULL,
  value   TEXT NOT NULL,
  PRIMARY KEY (runtime, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE gc_class_name (    -- classes of the objects that a runtime gives out memory for
  class_id INTEGER PRIMARY KEY,
  runtime  TEXT NOT NULL,
  name     TEXT NOT NULL,       -- as the source has it; (unknown), (other)
  UNIQUE (runtime, name)
) STRICT;

CREATE TABLE gc_class (         -- what was given out to which, by slot
  slot_ns  INTEGER NOT NULL,
  class_id INTEGER NOT NULL,
  object_bytes INTEGER NOT NULL, -- objects with memory of their own: of this power of two and more, below the next; 0: buffers
                                -- of threads, each of which is its first object's class's
  events   INTEGER NOT NULL,    -- such objects or buffers
  bytes    INTEGER NOT NULL,
  PRIMARY KEY (slot_ns, class_id, object_bytes)
) STRICT, WITHOUT ROWID;

CREATE TABLE pressure (         -- on memory and CPU, beside the target and in its runtimes
  t_ns  INTEGER NOT NULL,
  name  TEXT NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (t_ns, name)
) STRICT, WITHOUT ROWID;

-- Parts of the program that allocations belong to, by the rules of a file (sampler/components/rules.h).

CREATE TABLE component (
  component_id INTEGER PRIMARY KEY, -- 0: `other`, what no rule decides
  name         TEXT NOT NULL
) STRICT;

CREATE TABLE component_scope (   -- components that the program's own markers name: what is in one belongs to it, not to a rule's
  scope_id     INTEGER PRIMARY KEY,
  name         TEXT NOT NULL,
  component_id INTEGER NOT NULL  -- of that name
) STRICT;

CREATE TABLE component_rule (
  rule_id      INTEGER PRIMARY KEY, -- in the order of the file
  component_id INTEGER NOT NULL,
  min_bytes    INTEGER NOT NULL,
  max_bytes    INTEGER NOT NULL,
  is_of_threads INTEGER NOT NULL    -- 1: only of those in component_thread
) STRICT;

CREATE TABLE component_thread (
  rule_id INTEGER NOT NULL,
  tid     INTEGER NOT NULL,
  PRIMARY KEY (rule_id, tid)
) STRICT, WITHOUT ROWID;

CREATE TABLE component_stack (   -- the rules to be asked about an allocation of a stack: the first that is true decides
  stack_id INTEGER NOT NULL,     -- 0: of those without a stack
  rank     INTEGER NOT NULL,
  rule_id  INTEGER NOT NULL,
  PRIMARY KEY (stack_id, rank)
) STRICT, WITHOUT ROWID;
