-- SPDX-License-Identifier: MIT
-- Private: the allocator that the target's calls reach (tables.sql): the one that was probed, or, where none was, the
-- one whose library is mapped. glibc is mapped in nearly every process: it is the answer where no other one is.

INSERT INTO why_allocator
WITH found AS (
  SELECT allocator AS name, 1 AS place FROM probe WHERE allocator NOT IN ('interposed', 'markers')
  UNION ALL
  SELECT CASE WHEN path GLOB '*/libjemalloc*' THEN 'jemalloc' WHEN path GLOB '*/libtcmalloc*' THEN 'tcmalloc'
              WHEN path GLOB '*/libmimalloc*' THEN 'mimalloc' WHEN path GLOB '*/ld-musl-*' THEN 'musl' END, 2
  FROM module
  UNION ALL
  SELECT 'glibc', 3 FROM module WHERE path GLOB '*/libc.so.6' OR path GLOB '*/libc-2.*.so'
)
SELECT (SELECT name FROM found WHERE name IS NOT NULL ORDER BY place, name = 'glibc', name LIMIT 1);
