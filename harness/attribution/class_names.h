/*
 * class_names.h - what a network's classes are called.
 */
#ifndef HARNESS_CLASS_NAMES_H
#define HARNESS_CLASS_NAMES_H

/* All zero: no names were given. */
typedef struct ClassNames {
    const char *path;
    char *text;
    char **name; /* in text, of the n classes */
    int n;
} ClassNames;

/* Reads one name per line, in the order of the classes; keeps path.  ERR_INPUT
 * where a line is empty. */
int class_names_read(ClassNames *out, const char *path);
void class_names_free(ClassNames *names);

/* ERR_INPUT unless there is a name for each of a network's classes. */
int class_names_check(const ClassNames *names, int classes);

/* "tabby cat (281)", or "class 281" without names.  A name is cut after that
 * many letters: "Cardigan Welsh co... (264)".  Returns text. */
enum { CLASS_TEXT = 80, CLASS_SHORT = 20, CLASS_LONG = 48 };
char *class_text(char text[CLASS_TEXT], const ClassNames *names, int class,
                 int letters);

/* The name alone; "" without names. */
const char *class_name(const ClassNames *names, int class);

#endif
