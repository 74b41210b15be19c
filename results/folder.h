/*
 * folder.h - makes the folder that files are written to; finds the file name of
 * a path.
 */
#ifndef RESULTS_FOLDER_H
#define RESULTS_FOLDER_H

/* Makes a folder and those above it; one that is there is fine. */
int folder_make(const char *path);

/* The same for the folder that a file of that path is in. */
int folder_make_for(const char *path);

/* path from the root, where there is something; path itself where not.  To be
 * freed. */
char *absolute_path(const char *path);

/* File name after the folders of a path; borrowed from it. */
const char *file_name(const char *path);

#endif
