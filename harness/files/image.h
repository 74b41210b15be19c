/*
 * image.h - pictures as rows of RGB bytes: read from JPEG and PNG, written as
 * PNG.
 *
 * Converts a file to RGB as PIL's convert("RGB") makes it: grey is repeated, a
 * palette looked up, CMYK taken for inverted (Adobe's way), alpha dropped and
 * not blended, 16 bits cut to the upper 8.  Colour profiles, gamma and the
 * orientation that a camera noted are ignored, as there.
 */
#ifndef HARNESS_IMAGE_H
#define HARNESS_IMAGE_H

#include <stddef.h>

typedef struct Image {
    int width, height;
    unsigned char *rgb; /* rows from the top, three bytes a pixel */
} Image;

/* A small file may claim to be huge: no more than this is decoded (192 MiB). */
enum { IMAGE_MAX_PIXELS = 1 << 26 };

/* Does not free what was there before.  ERR_INPUT for more pixels than
 * IMAGE_MAX_PIXELS, ERR_MEMORY. */
int image_new(Image *out, int width, int height);
void image_free(Image *image); /* leaves it empty; an empty one is fine */

/* The pixel at column x, row y. */
unsigned char *image_at(const Image *image, int x, int y);

/* Reads a file, of which the first bytes say what it is and not the name.
 * ERR_IO if it cannot be opened, ERR_INPUT with the file and what is wrong
 * with it: neither JPEG nor PNG, broken, cut short, too large. */
int image_read(Image *out, const char *path);

/* Writes a PNG; makes its folder if there is none. */
int image_write_png(const Image *image, const char *path);

/* "libjpeg-turbo 2.1.5, libpng 1.6.39": the first as compiled with.  Returns
 * text. */
enum { IMAGE_LIBRARIES = 64 };
char *image_libraries(char text[IMAGE_LIBRARIES]);

/* The images of a folder and of those in it: files named .jpg, .jpeg or .png,
 * in upper or lower case, in the order of their paths' bytes.  Links are
 * followed, each folder once; names that begin with a dot are skipped. */
typedef struct ImageList {
    char **path;
    int n;
} ImageList;

/* ERR_INPUT if there is no image in it. */
int image_list(ImageList *out, const char *folder);
void image_list_free(ImageList *list);

#endif
