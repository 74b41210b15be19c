/*
 * sched.h - what the scheduler did to this process: how long its threads waited
 * for a CPU, and how often they were pushed off one.
 *
 * To be read right before and right after what is timed, outside of its time.
 * A reading costs 4 us with two threads, 0.9 us for each further one, and where
 * it looks at steal time (at most every 5 ms) 6 us more on a machine of two
 * CPUs: measured on an AMD EPYC in a virtual machine.
 *
 * Left out: interrupts, and neighbours that share caches and memory with this
 * process without taking its CPU.  No counter of the scheduler shows these.
 */
#ifndef HARNESS_SCHED_H
#define HARNESS_SCHED_H

/* Files of /proc, kept open between readings. */
typedef struct Sched Sched;

/* Totals so far, of all threads of this process, ended ones included.  The
 * difference of two readings is what happened between them. */
typedef struct SchedCount {
    double at_ns;        /* on the host's clock, when the reading ended       */
    double cpu_ns;       /* processor time                                    */
    double run_delay_ns; /* waits of threads that could have run, for a CPU;
                            a wait counts once it is over; NAN: not known     */
    double steal_ns;     /* time in which the host of a virtual machine ran
                            others, on CPUs that this process may use, in
                            steps of 10 ms; NAN: not known                    */
    long switches;       /* involuntary context switches                      */
} SchedCount;

/* Never fails: what cannot be read is not known later.  proc: "/proc", or a
 * folder like it. */
Sched *sched_open(const char *proc);
void sched_read(Sched *s, SchedCount *out);
void sched_close(Sched *s);

#endif
