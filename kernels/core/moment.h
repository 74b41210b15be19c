/*
 * moment.h - the state of a device when a sample had been taken.
 */
#ifndef CORE_MOMENT_H
#define CORE_MOMENT_H

/* NAN, and NULL, where the device does not know.  The fields are columns of the
 * table sample, same names. */
typedef struct Moment {
    double clock_mhz; /* measured, not nominal */
    double temperature_c, power_w;
    /* "none", or the reasons that slow it down: "power,thermal".  One of them
     * is "launches": the host was late in saying what to do. */
    const char *throttle;
} Moment;

#endif
