/*
 * cgroup.h - the limits of the control groups that this process is in.
 *
 * A container, a batch system and systemd limit memory and processor time by
 * groups within groups.  Each limit counts, so the least is what there is.
 */
#ifndef CPU_CGROUP_H
#define CPU_CGROUP_H

typedef struct GroupLimits {
    double memory_left; /* bytes until processes are killed; INFINITY: no limit;
                           file caches are given back in need             */
    double cpus;        /* processor seconds per second; INFINITY: no limit */
    double throttled;   /* times that the group with that quota has been
                           stopped so far; NAN: not known                 */
} GroupLimits;

/* Reads version 1 and version 2 below the folder root: "" for this machine.
 * A file that cannot be read is no limit. */
void group_limits(GroupLimits *out, const char *root);

#endif
