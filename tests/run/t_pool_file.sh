#!/bin/bash
# SPDX-License-Identifier: MIT
# A file for --pools that cannot be followed is refused before anything is attached: one line, with file and line.
# beside others
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_backend multi
start_target pool_functions

# refuses WHAT LINE TEXT: the file pools.ini is the standard input.
refuses() {
	cat >pools.ini
	one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db -d 1 --pools pools.ini
	contains "$1" "$MESSAGE" "mpsample: $2: $3"
}

get='get = pool_get(ptr=ret)'
refuses "unknown function" pools.ini:2 "unknown function: no 'pool_gte'" <<<$'[pool a]\nget = pool_gte(ptr=ret)'
contains "nearest names" "$MESSAGE" "did you mean pool_get"
refuses "overloads" pools.ini:2 "ambiguous: OrderPool::acquire is overloaded: OrderPool::acquire(), OrderPool::acquire(unsigned long)" \
	<<<$'[pool a]\nget = OrderPool::acquire(ptr=ret)'
refuses "no such overload" pools.ini:2 "no OrderPool::acquire has parameters (int)" <<<$'[pool a]\nget = OrderPool::acquire(int)(ptr=ret)'
refuses "register that the ABI has not" pools.ini:2 "'arg6': unknown argument arg6" <<<$'[pool a]\nget = pool_get(ptr=arg6)'
refuses "return of a probe" pools.ini:2 "'ret': ret: a USDT probe" <<<$'[pool a]\nget = usdt:mpsample:pool_put(ptr=ret)'
refuses "argument of a probe" pools.ini:2 "unknown argument arg2: the probe has 2" <<<$'[pool a]\nget = usdt:mpsample:pool_put(ptr=arg2)'
refuses "address" pools.ini:3 "'u64@0x10': address outside the target" <<<$'[pool a]\n'"$get"$'\ncapacity = u64@0x10'
refuses "variable" pools.ini:3 "no variable 'pool_tabel'" <<<$'[pool a]\n'"$get"$'\ncapacity = @pool_tabel'
refuses "module" pools.ini:2 "no module of process $TARGET (pool_functions) is called 'libnone*'" <<<$'[pool a]\nmodule = libnone*\n'"$get"
refuses "too many" pools.ini:3 "'*' matches too many functions" <<<$'[pool a]\nmodule = *\nget = *(ptr=ret)'
refuses "number" pools.ini:3 "'99999999999999999999': number out of range" <<<$'[pool a]\n'"$get"$'\ncapacity = 99999999999999999999'
refuses "no get" pools.ini:1 "[pool a] has no get" <<<$'[pool a]\nput = pool_put(ptr=arg1)'
refuses "section" pools.ini:1 "unknown section [pol a]; did you mean [pool a]?" <<<'[pol a]'
refuses "duplicate section" pools.ini:3 "duplicate section [pool a]: the first is at pools.ini:1" <<<$'[pool a]\n'"$get"$'\n[pool a]'
refuses "key" pools.ini:2 "unknown key 'gte'; did you mean get" <<<$'[pool a]\ngte = x'
refuses "count and object" pools.ini:2 "count= beside ptr=: objects are told one by one" <<<$'[pool a]\nget = pool_get(ptr=ret, count=arg1)'
refuses "count elsewhere" pools.ini:3 "create with count=: only get and put have it" <<<$'[pool a]\n'"$get"$'\ncreate = pool_put(count=arg1)'
refuses "count in one, object in another" pools.ini:3 "count= in put, and ptr= in line 2" <<<$'[pool a]\n'"$get"$'\nput = pool_put(count=arg1)'
refuses "count without pool" pools.ini:3 "put with count= without pool=: there is no object that says" \
	<<<$'[pool a]\nget = pool_get(pool=arg0, count=1)\nput = pool_put(count=1)'
refuses "count and size" pools.ini:2 "size= beside count=: whose bytes come back cannot be told" <<<$'[pool a]\nget = pool_get(count=1, size=arg1)'
refuses "count that is none" pools.ini:2 "'arg9': unknown argument arg9" <<<$'[pool a]\nget = pool_get(count=arg9)'
refuses "failure" pools.ini:2 "failure=zero: what the function returns when it fails is nonzero (an int), negative" \
	<<<$'[pool a]\nget = pool_get(ptr=ret, failure=zero)'
refuses "failure of a probe" pools.ini:2 "failure=null: a USDT probe is a place in the code" <<<$'[pool a]\nget = usdt:mpsample:pool_put(ptr=arg1, failure=null)'
refuses "failure as a key" pools.ini:3 "unknown key 'failure'" <<<$'[pool a]\n'"$get"$'\nfailure = null'
refuses "chain of a get" pools.ini:2 "next= is of put, beside ptr=, which then begins a chain" <<<$'[pool a]\nget = pool_get(ptr=ret, next=8)'
refuses "chain and failure" pools.ini:3 "failure= beside next=: a chain has to be read" \
	<<<$'[pool a]\n'"$get"$'\nput = pool_put(ptr=arg1, next=8, failure=nonzero)'
refuses "chain that is returned" pools.ini:3 "pool_get in $TARGETS/pool_functions cannot be followed: a chain has to be read" \
	<<<$'[pool a]\n'"$get"$'\nput = pool_get(ptr=ret, next=8)'
refuses "name" pools.ini:3 "'arg0': a name is text in memory: write name=str@" <<<$'[pool a]\n'"$get"$'\nname = arg0'
refuses "pointer's text" pools.ini:2 "a function that a variable leads to is written pointer:VARIABLE+OFFSET(...)" <<<$'[pool a]\nget = pointer:pool_table+8:16(ptr=ret)'
refuses "pointer's variable" pools.ini:2 "unknown function: no variable 'pool_tabel'" <<<$'[pool a]\nget = pointer:pool_tabel(ptr=ret)'
refuses "pointer to no function" pools.ini:2 "unknown function: pointer:pool_table+8 leads to 0x20, where no function begins" \
	<<<$'[pool a]\nget = pointer:pool_table+8(ptr=ret)'
refuses "pointer outside" pools.ini:2 "cannot read pointer:pool_table+2147483640 at 0x" <<<$'[pool a]\nget = pointer:pool_table+2147483640(ptr=ret)'
refuses "one call for two" pools.ini:4 "pool_get is a function of [pool a] already" <<<$'[pool a]\n'"$get"$'\n[pool b]\n'"$get"
refuses "no value" pools.ini:2 "key 'get' without value" <<<$'[pool a]\nget ='
refuses "no key" pools.ini:2 "key without value: 'get' is no KEY = VALUE" <<<$'[pool a]\nget'

echo 'include = pools.ini' >b.ini
refuses "cyclic include" b.ini:1 "cyclic include: pools.ini -> b.ini -> pools.ini" <<<'include = b.ini'
refuses "no file to include" pools.ini:1 "cannot include none.ini: No such file" <<<'include = none.ini'
mkfifo fifo
refuses "no regular file" pools.ini:1 "cannot include fifo: it is no regular file" <<<'include = fifo'
rm fifo
truncate -s 2M big.ini
refuses "too big" pools.ini:1 "cannot include big.ini: it is too big" <<<'include = big.ini'

one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db -d 1 --pools none.ini
contains "no file" "$MESSAGE" "cannot read none.ini: No such file"
go
wait_done
end_target
