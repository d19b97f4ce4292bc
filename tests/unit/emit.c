/* SPDX-License-Identifier: MIT */
#include "store/emit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/cell.h"

static sqlite3 *db;
static struct mp_err err;

static void setup(void)
{
	cr_assert_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
}

static void teardown(void)
{
	sqlite3_close(db);
}

TestSuite(emit, .init = setup, .fini = teardown, .timeout = 60);

static sqlite3_stmt *query(const char *sql)
{
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	return st;
}

/* The rows of one query as a document without a name. */
static char *rows(enum mp_format format, const char *sql)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct mp_emit *e = mp_emit_new(out, format);
	sqlite3_stmt *st = query(sql);

	mp_emit_begin(e, NULL);
	cr_assert_eq(mp_emit_rows(e, "rows", NULL, st, &err), 0, "%s", err.text);
	cr_assert_eq(mp_emit_end(e, &err), 0, "%s", err.text);
	sqlite3_finalize(st);
	fclose(out);
	return text;
}

static void expect(enum mp_format format, const char *sql, const char *want)
{
	char *text = rows(format, sql);

	cr_assert_str_eq(text, want);
	free(text);
}

/* The whole of a report, with two tables. */
static char *document(enum mp_format format)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct mp_emit *e = mp_emit_new(out, format);
	sqlite3_stmt
	    *session = query("SELECT 4242 AS pid, 'a \"b\"' AS command"),
	    *coverage = query("SELECT 0.5 AS duty"),
	    *a = query(
		"SELECT 'malloc' AS op, 1000003 AS calls, 462 AS p50_ns UNION ALL SELECT 'free', 7, 41300"),
	    *b = query("SELECT 1 AS x WHERE 0");

	mp_emit_begin(e, "jitter");
	cr_assert_eq(mp_emit_object(e, "session", session, &err), 0);
	mp_emit_note(e, "session: pid %d", 4242);
	mp_emit_group_begin(e, "tables");
	cr_assert_eq(mp_emit_rows(e, "ops", "By operation", a, &err), 0);
	cr_assert_eq(mp_emit_rows(e, "none", "Nothing", b, &err), 0);
	mp_emit_group_end(e);
	cr_assert_eq(mp_emit_object(e, "coverage", coverage, &err), 0);
	mp_emit_note(e, "coverage: half");
	cr_assert_eq(mp_emit_end(e, &err), 0);
	sqlite3_finalize(session);
	sqlite3_finalize(coverage);
	sqlite3_finalize(a);
	sqlite3_finalize(b);
	fclose(out);
	return text;
}

Test(emit, a_document_as_json)
{
	char *text = document(MP_FORMAT_JSON);

	cr_assert_str_eq(text, "{\"report\":\"jitter\",\n"
			       "\"session\":{\"pid\":4242,\"command\":\"a \\\"b\\\"\"},\n"
			       "\"tables\":{\"ops\":[\n"
			       "  {\"op\":\"malloc\",\"calls\":1000003,\"p50_ns\":462},\n"
			       "  {\"op\":\"free\",\"calls\":7,\"p50_ns\":41300}\n"
			       "],\n"
			       "\"none\":[]},\n"
			       "\"coverage\":{\"duty\":0.5}}\n");
	free(text);
}

Test(emit, a_document_as_table)
{
	char *text = document(MP_FORMAT_TABLE);

	cr_assert_str_eq(text, "session: pid 4242\n"
			       "\n"
			       "By operation\n"
			       "op          calls      p50\n"
			       "malloc  1,000,003   462 ns\n"
			       "free            7  41.3 us\n"
			       "\n"
			       "Nothing\n"
			       "(no rows)\n"
			       "coverage: half\n");
	free(text);
}

Test(emit, a_document_as_csv)
{
	char *text = document(MP_FORMAT_CSV);

	cr_assert_str_eq(text, "op,calls,p50_ns\r\n"
			       "malloc,1000003,462\r\n"
			       "free,7,41300\r\n"
			       "\r\n"
			       "x\r\n");
	free(text);
}

Test(emit, json_values)
{
	expect(MP_FORMAT_JSON,
	    "SELECT 9223372036854775807 AS i, -1 AS j, 0.1 AS r, 3.0 AS w, 1e300 AS big, NULL AS n",
	    "{\"rows\":[\n  "
	    "{\"i\":9223372036854775807,\"j\":-1,\"r\":0.1,\"w\":3.0,\"big\":1e+300,\"n\":null}\n]}\n");
	expect(MP_FORMAT_JSON, "SELECT 9e999 AS inf, x'00ff' AS b",
	    "{\"rows\":[\n  {\"inf\":null,\"b\":\"00ff\"}\n]}\n");
}

Test(emit, json_escapes_what_is_hostile)
{
	expect(MP_FORMAT_JSON,
	    "SELECT '\\\"' || char(10, 9, 27, 0x7f, 0x9b, 0x202e) AS a, CAST(x'61ff62c0806300' AS TEXT) AS "
	    "b, 'é☃' AS c",
	    "{\"rows\":[\n  {\"a\":\"\\\\\\\"\\n\\t\\u001b\\u007f\\u009b\\u202e\","
	    "\"b\":\"a\xef\xbf\xbd"
	    "b\xef\xbf\xbd\xef\xbf\xbd"
	    "c\\u0000\",\"c\":\"é☃\"}\n]}\n");
}

Test(emit, csv_quotes_by_rfc_4180)
{
	expect(MP_FORMAT_CSV,
	    "SELECT 'a,b' AS x, 'say \"hi\"' AS \"y,z\", char(97, 10, 98) AS l, NULL AS n, '' AS e, ' s' AS "
	    "s",
	    "x,\"y,z\",l,n,e,s\r\n\"a,b\",\"say \"\"hi\"\"\",\"a\nb\",,\"\",\" s\"\r\n");
	expect(MP_FORMAT_CSV, "SELECT char(27) || CAST(x'ff' AS TEXT) AS x, 1.5 AS r",
	    "x,r\r\n\xef\xbf\xbd\xef\xbf\xbd,1.5\r\n");
}

Test(emit, a_table_is_safe_for_the_terminal)
{
	expect(MP_FORMAT_TABLE,
	    "SELECT 'a' || char(10, 27, 0x9b, 0x202e) || CAST(x'ff' AS TEXT) || '☃' AS name, 1 AS x",
	    "name                    x\na\\n\\x1b\\x9b\\u202e\\xff☃  1\n");
}

Test(emit, a_table_aligns_characters_not_bytes)
{
	expect(MP_FORMAT_TABLE, "SELECT 'é☃' AS name, 1 AS x UNION ALL SELECT 'abc', NULL",
	    "name  x\né☃    1\nabc   -\n");
}

Test(emit, a_table_takes_units_from_names)
{
	expect(MP_FORMAT_TABLE,
	    "SELECT 1500000001 AS t_ns, 1536 AS size_bytes, 0.125 AS share, 255 AS addr, 4242 AS tid",
	    "     t_s      size   share  addr   tid\n1.500000  1.50 KiB  12.5 %  0xff  4242\n");
}

Test(emit, a_long_text_is_cut_in_tables_only)
{
	char *table = rows(MP_FORMAT_TABLE, "SELECT printf('%.*c', 500, 'x') AS s");
	char *json = rows(MP_FORMAT_JSON, "SELECT printf('%.*c', 500, 'x') AS s");

	cr_assert_eq(strlen(table), 2 + MP_EMIT_CUT + 1);
	cr_assert(strstr(table, "xxx...\n"));
	cr_assert_gt(strlen(json), 500);
	free(table);
	free(json);
}

Test(emit, a_long_table_is_complete)
{
	char *text = rows(MP_FORMAT_TABLE, "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r "
					   "WHERE n < 5000) SELECT n, 'x' AS s FROM r");
	int lines = 0;

	for (char *c = text; *c; c++)
		lines += *c == '\n';
	cr_assert_eq(lines, 5001);
	cr_assert(strstr(text, "\n5000  x\n"));
	free(text);
}

Test(emit, units)
{
	static const struct {
		enum mp_unit unit;
		int64_t value;
		const char *want;
	} cases[] = {
	    {MP_UNIT_DURATION, 0, "0 ns"},
	    {MP_UNIT_DURATION, 999, "999 ns"},
	    {MP_UNIT_DURATION, 1000, "1.00 us"},
	    {MP_UNIT_DURATION, 9994, "9.99 us"},
	    {MP_UNIT_DURATION, 9996, "10.0 us"},
	    {MP_UNIT_DURATION, 41300, "41.3 us"},
	    {MP_UNIT_DURATION, 999400, "999 us"},
	    {MP_UNIT_DURATION, 999600, "1.00 ms"},
	    {MP_UNIT_DURATION, 36000000000, "36.0 s"},
	    {MP_UNIT_DURATION, 3600000000000, "3600 s"},
	    {MP_UNIT_DURATION, -1500, "-1.50 us"},
	    {MP_UNIT_BYTES, 0, "0 B"},
	    {MP_UNIT_BYTES, 1023, "1023 B"},
	    {MP_UNIT_BYTES, 1024, "1.00 KiB"},
	    {MP_UNIT_BYTES, 1073741824, "1.00 GiB"},
	    {MP_UNIT_TIME, 1234567890, "1.234567"},
	    {MP_UNIT_TIME, -1000, "-0.000001"},
	    {MP_UNIT_COUNT, 999, "999"},
	    {MP_UNIT_COUNT, -1234567, "-1,234,567"},
	    {MP_UNIT_COUNT, INT64_MIN, "-9,223,372,036,854,775,808"},
	    {MP_UNIT_ADDR, -1, "0xffffffffffffffff"},
	    {MP_UNIT_NONE, 4242, "4242"},
	};
	char text[MP_CELL_NUMBER];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		mp_cell_int(cases[i].unit, cases[i].value, text);
		cr_assert_str_eq(text, cases[i].want);
	}
	mp_cell_real(MP_UNIT_DURATION, 105.3, text);
	cr_assert_str_eq(text, "105 ns");
	mp_cell_real(MP_UNIT_COUNT, 49970.8, text);
	cr_assert_str_eq(text, "49,971");
	mp_cell_real(MP_UNIT_COUNT, 1e300, text);
	cr_assert_str_eq(text, "1e+300");
}

Test(emit, exact_numbers_come_back)
{
	static const double values[] = {
	    0.1, 1.0 / 3, 1e-300, 1.7976931348623157e308, 5e-324, -0.0, 123456789.123456789};
	char text[MP_CELL_NUMBER];

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		mp_cell_exact(values[i], text);
		cr_assert_eq(strtod(text, NULL), values[i], "%s", text);
	}
}

/* Random bytes: whatever a target calls its threads, SQLite's own parser accepts the JSON. */
Test(emit, json_of_random_bytes_is_valid)
{
	unsigned int seed = 1;

	for (int i = 0; i < 2000; i++) {
		unsigned char bytes[24];
		sqlite3_stmt *st = query("SELECT CAST(? AS TEXT) AS a"),
			     *valid = query("SELECT json_valid(?)");
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);
		struct mp_emit *e = mp_emit_new(out, MP_FORMAT_JSON);

		for (size_t j = 0; j < sizeof(bytes); j++)
			bytes[j] = (unsigned char)(rand_r(&seed) >> (rand_r(&seed) % 8));
		sqlite3_bind_blob(st, 1, bytes, sizeof(bytes), SQLITE_STATIC);
		mp_emit_begin(e, NULL);
		cr_assert_eq(mp_emit_rows(e, "rows", NULL, st, &err), 0);
		cr_assert_eq(mp_emit_end(e, &err), 0);
		fclose(out);
		sqlite3_bind_text(valid, 1, text, (int)size, SQLITE_STATIC);
		cr_assert_eq(sqlite3_step(valid), SQLITE_ROW);
		cr_assert_eq(sqlite3_column_int(valid, 0), 1, "%s", text);
		sqlite3_finalize(valid);
		sqlite3_finalize(st);
		free(text);
	}
}

Test(emit, a_query_that_fails_at_once_writes_nothing)
{
	for (int format = MP_FORMAT_TABLE; format <= MP_FORMAT_CSV; format++) {
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);
		struct mp_emit *e = mp_emit_new(out, (enum mp_format)format);
		sqlite3_stmt *st = query("SELECT abs(-9223372036854775808)");

		mp_emit_begin(e, "x");
		cr_assert_eq(mp_emit_rows(e, "rows", "title", st, &err), -EIO);
		cr_assert(strstr(err.text, "integer overflow"), "%s", err.text);
		cr_assert_eq(mp_emit_end(e, &err), 0);
		sqlite3_finalize(st);
		fclose(out);
		cr_assert_eq(size, 0);
		free(text);
	}
}

Test(emit, a_full_device_is_told)
{
	FILE *out = fopen("/dev/full", "w");
	struct mp_emit *e = mp_emit_new(out, MP_FORMAT_CSV);
	sqlite3_stmt *st = query("SELECT 1 AS a");

	mp_emit_begin(e, NULL);
	mp_emit_rows(e, "rows", NULL, st, &err);
	cr_assert_eq(mp_emit_end(e, &err), -EIO);
	cr_assert(strstr(err.text, "No space left"), "%s", err.text);
	sqlite3_finalize(st);
	fclose(out);
}

Test(emit, a_closed_pipe_ends_the_rows)
{
	int fd[2];

	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(pipe(fd), 0);
	close(fd[0]);
	FILE *out = fdopen(fd[1], "w");
	struct mp_emit *e = mp_emit_new(out, MP_FORMAT_TABLE);
	/* Endless: what ends it is the pipe. */
	sqlite3_stmt *st =
	    query("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r");

	mp_emit_begin(e, NULL);
	cr_assert_eq(mp_emit_rows(e, "rows", NULL, st, &err), -EPIPE);
	cr_assert_eq(mp_emit_end(e, &err), -EPIPE);
	sqlite3_finalize(st);
	fclose(out);
}

Test(emit, formats_have_names)
{
	enum mp_format format;

	cr_assert_eq(mp_format_parse("json", &format, &err), 0);
	cr_assert_eq(format, MP_FORMAT_JSON);
	cr_assert_eq(mp_format_parse("xml", &format, &err), -EINVAL);
	cr_assert_str_eq(err.text, "there is no format xml: choose table, json or csv");
}

static char *with_json(enum mp_format format, const char *sql)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct mp_emit *e = mp_emit_new(out, format);
	sqlite3_stmt *st = query(sql), *again = query(sql);

	mp_emit_begin(e, NULL);
	mp_emit_json_column(e, "causes");
	cr_assert_eq(mp_emit_rows(e, "rows", NULL, st, &err), 0, "%s", err.text);
	mp_emit_json_column(e, NULL);
	cr_assert_eq(mp_emit_rows(e, "more", NULL, again, &err), 0, "%s", err.text);
	cr_assert_eq(mp_emit_end(e, &err), 0, "%s", err.text);
	sqlite3_finalize(st);
	sqlite3_finalize(again);
	fclose(out);
	return text;
}

Test(emit, a_column_of_json_is_json_in_json)
{
	static const char sql[] =
	    "SELECT 1 AS x, json_array(json_object('kind', 'a \"b\"', 'ns', 7)) AS causes"
	    " UNION ALL SELECT 2, NULL UNION ALL SELECT 3, 4";
	char *text = with_json(MP_FORMAT_JSON, sql);

	cr_assert_str_eq(text,
	    "{\"rows\":[\n"
	    "  {\"x\":1,\"causes\":[{\"kind\":\"a \\\"b\\\"\",\"ns\":7}]},\n"
	    "  {\"x\":2,\"causes\":null},\n"
	    "  {\"x\":3,\"causes\":4}\n"
	    "],\n"
	    "\"more\":[\n"
	    "  {\"x\":1,\"causes\":\"[{\\\"kind\\\":\\\"a \\\\\\\"b\\\\\\\"\\\",\\\"ns\\\":7}]\"},\n"
	    "  {\"x\":2,\"causes\":null},\n"
	    "  {\"x\":3,\"causes\":4}\n"
	    "]}\n");
	free(text);
	text = with_json(MP_FORMAT_CSV, "SELECT json_array(1, 2) AS causes");
	cr_assert_str_eq(text, "causes\r\n\"[1,2]\"\r\n\r\ncauses\r\n\"[1,2]\"\r\n");
	free(text);
}

Test(emit, names_in_a_column_of_json_are_harmless)
{
	char *text = with_json(MP_FORMAT_JSON, "SELECT json_array('a' || CAST(x'ff' AS TEXT) || char(0x202e) "
					       "|| char(27) || char(0x7f) || 'b' || char(10)) AS causes");

	cr_assert(strstr(text, "{\"causes\":[\"a\xef\xbf\xbd\\u202e\\u001b\\u007fb\\n\"]}"), "%s", text);
	free(text);
}
