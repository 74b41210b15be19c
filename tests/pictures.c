/*
 * pictures.c - image files made in a test, through the libraries.
 */
#include "tests/pictures.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "tests/test.h"

const char *picture_path(const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", test_tmpdir(), name);
    return path;
}

Image picture_make(int width, int height, int (*at)(int x, int y, int c))
{
    Image image;

    BUG_IF(image_new(&image, width, height) != OK);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                image_at(&image, x, y)[c] = (unsigned char)at(x, y, c);
    return image;
}

void picture_jpeg(const char *path, int width, int height, int components,
                  int space, const unsigned char *colour)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    const size_t n = (size_t)components;
    unsigned char *row = malloc((size_t)width * n);
    FILE *f = fopen(path, "wb");

    BUG_IF(!f || !row);
    for (size_t x = 0; x < (size_t)width; x++)
        memcpy(row + x * n, colour, n);
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, f);
    info.image_width = (JDIMENSION)width;
    info.image_height = (JDIMENSION)height;
    info.input_components = components;
    info.in_color_space = (J_COLOR_SPACE)space;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 100, TRUE);
    for (int i = 0; i < components; i++)
        info.comp_info[i].h_samp_factor = info.comp_info[i].v_samp_factor = 1;
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height)
        jpeg_write_scanlines(&info, &row, 1);
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    fclose(f);
    free(row);
}

/* Errors abort: only what libpng takes is written. */
static png_structp begin_png(FILE *f, png_infop *info)
{
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);

    BUG_IF(!f || !png);
    *info = png_create_info_struct(png);
    png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF);
    png_init_io(png, f);
    return png;
}

void picture_png(const char *path, int width, int height, const PngKind *kind)
{
    static const png_color palette[] = {
        { 10, 20, 30 }, { 40, 50, 60 }, { 70, 80, 90 }, { 250, 240, 230 }
    };
    static const unsigned char alpha[] = { 0, 128, 255, 7 };
    FILE *f = fopen(path, "wb");
    png_infop info;
    png_structp png = begin_png(f, &info);
    const int passes = kind->interlaced ? 7 : 1;

    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, kind->bits,
                 kind->colour,
                 kind->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (kind->colour == PNG_COLOR_TYPE_PALETTE) {
        png_set_PLTE(png, info, palette, 4);
        png_set_tRNS(png, info, alpha, 4, NULL);
    }
    png_write_info(png, info);
    png_set_interlace_handling(png);
    for (int i = 0; i < passes * height; i++)
        png_write_row(png, kind->row);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(f);
}

void picture_png_head(const char *path, int width, int height)
{
    FILE *f = fopen(path, "wb");
    png_infop info;
    png_structp png = begin_png(f, &info);

    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    png_write_chunk(png, (const unsigned char *)"IDAT", NULL, 0);
    png_destroy_write_struct(&png, &info);
    fclose(f);
}

unsigned char *picture_bytes(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    unsigned char *bytes = malloc(1 << 20);

    BUG_IF(!f || !bytes);
    *n = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

void picture_write(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    BUG_IF(!f || fwrite(bytes, 1, n, f) != n || fclose(f));
}
