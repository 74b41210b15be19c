/*
 * err.h - the one error convention of the project.
 *
 * A function that can fail returns int: OK, or a negative ERR_ code, and
 * leaves one sentence for the user in err_message().  Library code never
 * prints and never exits; only harness/cli/main.c does.  A broken invariant is
 * not an error but a bug: BUG_IF aborts, in every build.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

enum {
    OK = 0,
    ERR_INPUT = -1,       /* the user's file, flag or shape is wrong    */
    ERR_UNSUPPORTED = -2, /* this backend cannot; recorded, not fatal   */
    ERR_MEMORY = -3,      /* host or device memory ran out              */
    ERR_DEVICE = -4,      /* CUDA, cuDNN or oneDNN refused              */
    ERR_IO = -5,          /* a file, SQLite or gnuplot refused          */
    ERR_STOPPED = -6,     /* given up because of Ctrl-C or SIGTERM      */
};

/* Stores the message for this thread and returns code, so that a failing
 * function is one statement: return fail(ERR_INPUT, "...", ...);  What no
 * terminal should get is stored as \xNN (visible.h). */
int fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts a prefix before the message that is already there, and returns code:
 * return fail_within(err, "%s", path) gives "path: what went wrong". */
int fail_within(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The message of the latest fail() on this thread; "" before the first. */
const char *err_message(void);

/* Passes an error up.  Only where nothing needs releasing: else goto out. */
#define TRY(call)          \
    do {                   \
        int err_ = (call); \
        if (err_)          \
            return err_;   \
    } while (0)

#define BUG_IF(cond)                        \
    do {                                    \
        if (cond)                           \
            bug(__FILE__, __LINE__, #cond); \
    } while (0)
void bug(const char *file, int line, const char *what)
    __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#endif
