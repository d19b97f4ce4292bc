/* SPDX-License-Identifier: MIT */
#ifndef MPSAMPLE_H
#define MPSAMPLE_H

/*
 * Markers: a program tells the memory profiler mpsample what it is doing, so that memory operations can be
 * seen per piece of work, per phase of the day and per pool. Header only, C11 and C++11, nothing to link.
 *
 *     #include <mpsample.h>
 *
 *     MPSAMPLE_SPAN_BEGIN(tick_to_trade, order_id);
 *     ...
 *     MPSAMPLE_SPAN_END(tick_to_trade, order_id);
 *
 * A marker records nothing by itself. It is seen by `mpsample record -p PID`, in one of two ways: through
 * libmpsample.so where the process carries it, else as a USDT probe (provider `mpsample`), which other tools
 * (bpftrace, perf) read, too. With no recorder a marker costs two no-operation instructions, the moves of its
 * arguments to registers, and a test: 1-2 ns.
 *
 * Every marker is a statement. It may stand anywhere in any thread, in a signal handler also, and is a
 * barrier to the compiler (not to the CPU), so that work stays on its side of it. Arguments are evaluated
 * once, also when nobody listens: keep them cheap. Texts are copied when the marker is passed; of each the
 * first 47 bytes count, and two that agree in these are the same.
 *
 * -DMPSAMPLE_DISABLE compiles all markers away: arguments are then not evaluated. On machines other than
 * x86-64 and arm64, or without GNU assembly, markers evaluate their arguments and do nothing.
 */

/*
 * A span is a piece of work from BEGIN to END. `name` is a token, not a string. `id` (an integer, uint64_t)
 * tells apart spans of one name that are open at the same time: BEGIN and END with the same name and id
 * belong together, also when they come from different threads. A second BEGIN before the END begins the span
 * anew.
 */
#define MPSAMPLE_SPAN_BEGIN(name, id) MPSAMPLE_NAMED_(mpsample_span_begin_, #name, id)
#define MPSAMPLE_SPAN_END(name, id)   MPSAMPLE_NAMED_(mpsample_span_end_, #name, id)

/* Something happened: `name` (any const char *) with a figure of its own, `value` (int64_t). */
#define MPSAMPLE_MARK(name, value) MPSAMPLE_DO_2_(mpsample_mark_, name, value)

/* From now on the whole process is in this phase (of the trading day, say), until the next one begins. */
#define MPSAMPLE_PHASE(name) MPSAMPLE_DO_1_(mpsample_phase_, name)

/*
 * A pool of objects that are allocated beforehand. `pool` is any pointer that identifies it while it is used,
 * `name` any const char *, `object_bytes` the size of an object and `capacity` how many there are. CREATE is
 * passed once, before the others; the same `pool` created again is a new pool in the place of the old one.
 */
#define MPSAMPLE_POOL_CREATE(pool, name, object_bytes, capacity)                                             \
	MPSAMPLE_DO_4_(mpsample_pool_create_, pool, name, object_bytes, capacity)

/* `ptr` was taken out of the pool; is about to be put back into it. GET after it is taken, PUT before it is
 * given back: else another thread may be seen to take it before it was put back. */
#define MPSAMPLE_POOL_GET(pool, ptr) MPSAMPLE_DO_2_(mpsample_pool_get_, pool, ptr)
#define MPSAMPLE_POOL_PUT(pool, ptr) MPSAMPLE_DO_2_(mpsample_pool_put_, pool, ptr)

/* A get failed because the pool was empty. Not to be passed together with POOL_GET. */
#define MPSAMPLE_POOL_EMPTY(pool) MPSAMPLE_DO_1_(mpsample_pool_empty_, pool)

/* All objects that are out are back at once: an arena was reset. */
#define MPSAMPLE_POOL_CLEAR(pool) MPSAMPLE_DO_1_(mpsample_pool_clear_, pool)

/* The pool is gone. Objects that are still out were not returned. */
#define MPSAMPLE_POOL_DESTROY(pool) MPSAMPLE_DO_1_(mpsample_pool_destroy_, pool)

/*
 * What the program counts: `name`, a string literal, is now `value` (int64_t), whichever thread says so. Told
 * as often as one likes: the last value is looked at ten times a second, and what came between two looks is
 * counted, not kept. 64 names.
 */
#define MPSAMPLE_GAUGE(name, value) MPSAMPLE_NAMED_(mpsample_gauge_, "" name, value)

/*
 * What this thread allocates between the two belongs to the component `name`, a string literal, whatever the
 * rules of `mpsample record --components` say, and without any. They nest: the innermost counts, up to 16
 * deep. An END without a BEGIN is counted, and does nothing else: so is the END of what began before the
 * recording. Where an exception or a return goes past the END, the component goes on. 255 names.
 */
#define MPSAMPLE_COMPONENT_BEGIN(name) MPSAMPLE_NAME_(mpsample_component_begin_, "" name)
#define MPSAMPLE_COMPONENT_END()       MPSAMPLE_DO_0_(mpsample_component_end_)

/* ---- What a marker says to libmpsample.so ---- */

#ifdef __cplusplus
extern "C" {
#endif

/* These numbers go through shared memory: they stay. Beside each, what the call hands over in a, b and c. */
enum mpsample_kind {
	MPSAMPLE_KIND_SPAN_BEGIN = 1,       /* name; a: id */
	MPSAMPLE_KIND_SPAN_END = 2,         /* name; a: id */
	MPSAMPLE_KIND_MARK = 3,             /* name; a: value */
	MPSAMPLE_KIND_PHASE = 4,            /* name */
	MPSAMPLE_KIND_POOL_CREATE = 5,      /* name; a: pool, b: object_bytes, c: capacity */
	MPSAMPLE_KIND_POOL_GET = 6,         /* a: pool, b: ptr */
	MPSAMPLE_KIND_POOL_PUT = 7,         /* a: pool, b: ptr */
	MPSAMPLE_KIND_POOL_EMPTY = 8,       /* a: pool */
	MPSAMPLE_KIND_POOL_DESTROY = 9,     /* a: pool */
	MPSAMPLE_KIND_POOL_CLEAR = 10,      /* a: pool */
	MPSAMPLE_KIND_GAUGE = 11,           /* name; a: value */
	MPSAMPLE_KIND_COMPONENT_BEGIN = 12, /* name */
	MPSAMPLE_KIND_COMPONENT_END = 13
};

/* A text. Of spans, gauges and components it is a static object, one a marker, whose `id` the library sets
 * once; of others it lives for the call only, with id 0. Kinds without a text hand over a null pointer. */
struct mpsample_name {
	const char *text;
	unsigned int id;
};

/* What the library exports as mpsample_api_v1. Somebody listens while *mode & 3. `size` is that of the
 * struct, which may grow at its end: a library without `kinds` knows those up to 10. */
struct mpsample_api {
	unsigned int size;
	const volatile unsigned int *mode;
	void (*marker)(unsigned int kind, struct mpsample_name *name, unsigned long long a,
	    unsigned long long b, unsigned long long c);
	unsigned int kinds; /* the last that it knows */
};

#ifdef __cplusplus
}
#endif

/* ---- How it is done: private from here on ---- */

#if defined(MPSAMPLE_DISABLE)

#define MPSAMPLE_NAMED_(function, text, id) ((void)sizeof(id))
#define MPSAMPLE_NAME_(function, text)      ((void)sizeof(text))
#define MPSAMPLE_DO_0_(function)            ((void)0)
#define MPSAMPLE_DO_1_(function, a)         ((void)sizeof(a))
#define MPSAMPLE_DO_2_(function, a, b)      ((void)sizeof(a), (void)sizeof(b))
#define MPSAMPLE_DO_4_(function, a, b, c, d)                                                                 \
	((void)sizeof(a), (void)sizeof(b), (void)sizeof(c), (void)sizeof(d))

#elif !defined(__GNUC__) || !defined(__ELF__) ||                                                             \
    !((defined(__x86_64__) && !defined(__ILP32__)) || (defined(__aarch64__) && defined(__LP64__)))

#define MPSAMPLE_NAMED_(function, text, id)  ((void)(id))
#define MPSAMPLE_NAME_(function, text)       ((void)(text))
#define MPSAMPLE_DO_0_(function)             ((void)0)
#define MPSAMPLE_DO_1_(function, a)          ((void)(a))
#define MPSAMPLE_DO_2_(function, a, b)       ((void)(a), (void)(b))
#define MPSAMPLE_DO_4_(function, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))

#else

/* The object that the library keeps the name's number in is the marker's own. */
#define MPSAMPLE_NAMED_(function, text, id)                                                                  \
	do {                                                                                                 \
		static struct mpsample_name mpsample_name_ = {text, 0};                                      \
		function(text, &mpsample_name_, id);                                                         \
	} while (0)
#define MPSAMPLE_NAME_(function, text)                                                                       \
	do {                                                                                                 \
		static struct mpsample_name mpsample_name_ = {text, 0};                                      \
		function(text, &mpsample_name_);                                                             \
	} while (0)
#define MPSAMPLE_DO_0_(function)             function()
#define MPSAMPLE_DO_1_(function, a)          function(a)
#define MPSAMPLE_DO_2_(function, a, b)       function(a, b)
#define MPSAMPLE_DO_4_(function, a, b, c, d) function(a, b, c, d)

/* Inlined always: compilers take the length of the assembly for that of its code. */
#define MPSAMPLE_INLINE_                     static inline __attribute__((__always_inline__, __unused__))
#if __GNUC__ >= 9
#define MPSAMPLE_ASM_ __asm__ __volatile__ __inline__
#else
#define MPSAMPLE_ASM_ __asm__ __volatile__
#endif

/*
 * The library's symbol through the GOT, weak: the one form of reference that stays open until the program is
 * loaded, whether it is position-independent or not, and that is 0 where the library is missing and in static
 * programs. Volatile, or else compilers see that markers test the same pointer, and make two versions of a
 * function with several: one for each outcome.
 */
MPSAMPLE_INLINE_ const struct mpsample_api *mpsample_get_api_(void)
{
	const struct mpsample_api *api;

#if defined(__x86_64__)
	__asm__ __volatile__(
	    ".weak mpsample_api_v1\n\t"
	    "{movq mpsample_api_v1@GOTPCREL(%%rip), %0|mov %0, QWORD PTR mpsample_api_v1@GOTPCREL[rip]}"
	    : "=r"(api));
#else
	__asm__ __volatile__(".weak mpsample_api_v1\n\t"
			     "adrp %0, :got:mpsample_api_v1\n\t"
			     "ldr %0, [%0, :got_lo12:mpsample_api_v1]"
			     : "=r"(api));
#endif
	return api;
}

MPSAMPLE_INLINE_ const struct mpsample_api *mpsample_listener_(void)
{
	const struct mpsample_api *api = mpsample_get_api_();

	return __builtin_expect(api && (*api->mode & 3u), 0) ? api : (const struct mpsample_api *)0;
}

/* For kinds that came later: an older library would take them for something else. */
MPSAMPLE_INLINE_ const struct mpsample_api *mpsample_listener_to_(unsigned int kind)
{
	const struct mpsample_api *api = mpsample_listener_();

	return api && api->size > __builtin_offsetof(struct mpsample_api, kinds) && api->kinds >= kind
		   ? api
		   : (const struct mpsample_api *)0;
}

/*
 * The probe and its note (https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation). The site is
 * the one-byte nop. The ten-byte nop behind it is for kernels that make a call of it, which must not push a
 * return address into the red zone of a leaf function, as a probe on a five-byte nop would.
 */
#if defined(__x86_64__)
#define MPSAMPLE_SITE_    "990:\tnop\n\t.byte 0x66,0x2e,0x0f,0x1f,0x84,0,0,0,0,0\n"
#define MPSAMPLE_ARG_1_   "8@%%rdi"
#define MPSAMPLE_ARG_2_   " 8@%%rsi"
#define MPSAMPLE_ARG_2_S_ " -8@%%rsi"
#define MPSAMPLE_ARG_3_   " 8@%%rdx"
#define MPSAMPLE_ARG_4_   " 8@%%rcx"
#else
#define MPSAMPLE_SITE_    "990:\tnop\n"
#define MPSAMPLE_ARG_1_   "8@x0"
#define MPSAMPLE_ARG_2_   " 8@x1"
#define MPSAMPLE_ARG_2_S_ " -8@x1"
#define MPSAMPLE_ARG_3_   " 8@x2"
#define MPSAMPLE_ARG_4_   " 8@x3"
#endif

/* "?": the note goes with its function when the linker drops one of two copies of that. The address of
 * _.stapsdt.base tells readers how far prelink(8) moved the program after the note was written. */
#define MPSAMPLE_PROBE_(name, args)                                                                          \
	MPSAMPLE_SITE_                                                                                       \
	"\t.pushsection .note.stapsdt,\"?\",\"note\"\n"                                                      \
	"\t.balign 4\n"                                                                                      \
	"\t.4byte 992f-991f, 994f-993f, 3\n"                                                                 \
	"991:\t.asciz \"stapsdt\"\n"                                                                         \
	"992:\t.balign 4\n"                                                                                  \
	"993:\t.8byte 990b, _.stapsdt.base, 0\n"                                                             \
	"\t.asciz \"mpsample\"\n"                                                                            \
	"\t.asciz \"" name "\"\n"                                                                            \
	"\t.asciz \"" args "\"\n"                                                                            \
	"994:\t.balign 4\n"                                                                                  \
	"\t.popsection\n"                                                                                    \
	"\t.ifndef _.stapsdt.base\n"                                                                         \
	"\t.pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"                            \
	"\t.weak _.stapsdt.base\n"                                                                           \
	"\t.hidden _.stapsdt.base\n"                                                                         \
	"_.stapsdt.base:\t.space 1\n"                                                                        \
	"\t.size _.stapsdt.base,1\n"                                                                         \
	"\t.popsection\n"                                                                                    \
	"\t.endif\n"

/* The arguments in the registers of a function call, so that all notes say the same. The clobber makes texts
 * be in memory when a recorder reads them. */
#define MPSAMPLE_FIRE_0_(name) MPSAMPLE_ASM_(MPSAMPLE_PROBE_(name, "") : : : "memory")
#if defined(__x86_64__)
#define MPSAMPLE_FIRE_1_(name, args, a) MPSAMPLE_ASM_(MPSAMPLE_PROBE_(name, args) : : "D"(a) : "memory")
#define MPSAMPLE_FIRE_2_(name, args, a, b)                                                                   \
	MPSAMPLE_ASM_(MPSAMPLE_PROBE_(name, args) : : "D"(a), "S"(b) : "memory")
#define MPSAMPLE_FIRE_4_(name, args, a, b, c, d)                                                             \
	MPSAMPLE_ASM_(MPSAMPLE_PROBE_(name, args) : : "D"(a), "S"(b), "d"(c), "c"(d) : "memory")
#else
#define MPSAMPLE_FIRE_1_(name, args, a)                                                                      \
	do {                                                                                                 \
		register __typeof__(a) x0_ __asm__("x0") = (a);                                              \
		MPSAMPLE_ASM_(MPSAMPLE_PROBE_(name, args) : : "r"(x0_) : "memory");                          \
	} while (0)
#define MPSAMPLE_FIRE_2_(name, args, a, b)                                                                   \
	do {                                                                                                 \
		register __typeof__(a) x0_ __asm__("x0") = (a);                                              \
		register __typeof__(b) x1_ __asm__("x1") = (b);                                              \
		MPSAMPLE_ASM_(MPSAMPLE_PROBE_(name, args) : : "r"(x0_), "r"(x1_) : "memory");                \
	} while (0)
#define MPSAMPLE_FIRE_4_(name, args, a, b, c, d)                                                             \
	do {                                                                                                 \
		register __typeof__(a) x0_ __asm__("x0") = (a);                                              \
		register __typeof__(b) x1_ __asm__("x1") = (b);                                              \
		register __typeof__(c) x2_ __asm__("x2") = (c);                                              \
		register __typeof__(d) x3_ __asm__("x3") = (d);                                              \
		MPSAMPLE_ASM_(MPSAMPLE_PROBE_(name, args)                                                    \
			      :                                                                              \
			      : "r"(x0_), "r"(x1_), "r"(x2_), "r"(x3_)                                       \
			      : "memory");                                                                   \
	} while (0)
#endif

/* The same number on both ways; the pointer's integer type without a cast that C or C++ would warn of. */
MPSAMPLE_INLINE_ unsigned long long mpsample_word_(const volatile void *p)
{
	return (unsigned long long)(__UINTPTR_TYPE__)p;
}

MPSAMPLE_INLINE_ void mpsample_span_begin_(
    const char *text, struct mpsample_name *name, unsigned long long id)
{
	MPSAMPLE_FIRE_2_("span_begin", MPSAMPLE_ARG_1_ MPSAMPLE_ARG_2_, text, id);

	const struct mpsample_api *api = mpsample_listener_();
	if (api)
		api->marker(MPSAMPLE_KIND_SPAN_BEGIN, name, id, 0, 0);
}

MPSAMPLE_INLINE_ void mpsample_span_end_(const char *text, struct mpsample_name *name, unsigned long long id)
{
	MPSAMPLE_FIRE_2_("span_end", MPSAMPLE_ARG_1_ MPSAMPLE_ARG_2_, text, id);

	const struct mpsample_api *api = mpsample_listener_();
	if (api)
		api->marker(MPSAMPLE_KIND_SPAN_END, name, id, 0, 0);
}

/* Kinds whose text may change from one call to the next: the library gets it in an object of the call's. */
MPSAMPLE_INLINE_ void mpsample_tell_(const struct mpsample_api *api, unsigned int kind, const char *text,
    unsigned long long a, unsigned long long b, unsigned long long c)
{
	struct mpsample_name name = {text, 0};

	api->marker(kind, &name, a, b, c);
}

MPSAMPLE_INLINE_ void mpsample_mark_(const char *text, long long value)
{
	MPSAMPLE_FIRE_2_("mark", MPSAMPLE_ARG_1_ MPSAMPLE_ARG_2_S_, text, value);

	const struct mpsample_api *api = mpsample_listener_();
	if (api)
		mpsample_tell_(api, MPSAMPLE_KIND_MARK, text, (unsigned long long)value, 0, 0);
}

MPSAMPLE_INLINE_ void mpsample_phase_(const char *text)
{
	MPSAMPLE_FIRE_1_("phase", MPSAMPLE_ARG_1_, text);

	const struct mpsample_api *api = mpsample_listener_();
	if (api)
		mpsample_tell_(api, MPSAMPLE_KIND_PHASE, text, 0, 0, 0);
}

MPSAMPLE_INLINE_ void mpsample_pool_create_(
    const volatile void *pool, const char *text, unsigned long long object_bytes, unsigned long long capacity)
{
	MPSAMPLE_FIRE_4_("pool_create", MPSAMPLE_ARG_1_ MPSAMPLE_ARG_2_ MPSAMPLE_ARG_3_ MPSAMPLE_ARG_4_, pool,
	    text, object_bytes, capacity);

	const struct mpsample_api *api = mpsample_listener_();
	if (api)
		mpsample_tell_(
		    api, MPSAMPLE_KIND_POOL_CREATE, text, mpsample_word_(pool), object_bytes, capacity);
}

MPSAMPLE_INLINE_ void mpsample_pool_get_(const volatile void *pool, const volatile void *ptr)
{
	MPSAMPLE_FIRE_2_("pool_get", MPSAMPLE_ARG_1_ MPSAMPLE_ARG_2_, pool, ptr);

	const struct mpsample_api *api = mpsample_listener_();
	if (api)
		api->marker(MPSAMPLE_KIND_POOL_GET, (struct mpsample_name *)0, mpsample_word_(pool),
		    mpsample_word_(ptr), 0);
}

MPSAMPLE_INLINE_ void mpsample_pool_put_(const volatile void *pool, const volatile void *ptr)
{
	MPSAMPLE_FIRE_2_("pool_put", MPSAMPLE_ARG_1_ MPSAMPLE_ARG_2_, pool, ptr);

	const struct mpsample_api *api = mpsample_listener_();
	if (api)
		api->marker(MPSAMPLE_KIND_POOL_PUT, (struct mpsample_name *)0, mpsample_word_(pool),
		    mpsample_word_(ptr), 0);
}

MPSAMPLE_INLINE_ void mpsample_pool_empty_(const volatile void *pool)
{
	MPSAMPLE_FIRE_1_("pool_empty", MPSAMPLE_ARG_1_, pool);

	const struct mpsample_api *api = mpsample_listener_();
	if (api)
		api->marker(MPSAMPLE_KIND_POOL_EMPTY, (struct mpsample_name *)0, mpsample_word_(pool), 0, 0);
}

MPSAMPLE_INLINE_ void mpsample_pool_clear_(const volatile void *pool)
{
	MPSAMPLE_FIRE_1_("pool_clear", MPSAMPLE_ARG_1_, pool);

	const struct mpsample_api *api = mpsample_listener_();
	if (api)
		api->marker(MPSAMPLE_KIND_POOL_CLEAR, (struct mpsample_name *)0, mpsample_word_(pool), 0, 0);
}

MPSAMPLE_INLINE_ void mpsample_pool_destroy_(const volatile void *pool)
{
	MPSAMPLE_FIRE_1_("pool_destroy", MPSAMPLE_ARG_1_, pool);

	const struct mpsample_api *api = mpsample_listener_();
	if (api)
		api->marker(
		    MPSAMPLE_KIND_POOL_DESTROY, (struct mpsample_name *)0, mpsample_word_(pool), 0, 0);
}

MPSAMPLE_INLINE_ void mpsample_gauge_(const char *text, struct mpsample_name *name, long long value)
{
	MPSAMPLE_FIRE_2_("gauge", MPSAMPLE_ARG_1_ MPSAMPLE_ARG_2_S_, text, value);

	const struct mpsample_api *api = mpsample_listener_to_(MPSAMPLE_KIND_GAUGE);
	if (api)
		api->marker(MPSAMPLE_KIND_GAUGE, name, (unsigned long long)value, 0, 0);
}

MPSAMPLE_INLINE_ void mpsample_component_begin_(const char *text, struct mpsample_name *name)
{
	MPSAMPLE_FIRE_1_("component_begin", MPSAMPLE_ARG_1_, text);

	const struct mpsample_api *api = mpsample_listener_to_(MPSAMPLE_KIND_COMPONENT_BEGIN);
	if (api)
		api->marker(MPSAMPLE_KIND_COMPONENT_BEGIN, name, 0, 0, 0);
}

MPSAMPLE_INLINE_ void mpsample_component_end_(void)
{
	MPSAMPLE_FIRE_0_("component_end");

	const struct mpsample_api *api = mpsample_listener_to_(MPSAMPLE_KIND_COMPONENT_END);
	if (api)
		api->marker(MPSAMPLE_KIND_COMPONENT_END, (struct mpsample_name *)0, 0, 0, 0);
}

#endif

#endif
