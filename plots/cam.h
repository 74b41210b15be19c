/*
 * cam.h - class activation maps side by side, as a figure: pictures that are
 * drawn already get their names, their numbers, and the scale of the colours.
 */
#ifndef PLOTS_CAM_H
#define PLOTS_CAM_H

enum { CAM_TITLE = 96 };

typedef struct CamPanel {
    char file[128];          /* a PNG in the figure's folder */
    char title[CAM_TITLE];   /* over it                      */
    char said[2][CAM_TITLE]; /* under it                     */
} CamPanel;

typedef struct CamPage {
    const CamPanel *panel;
    int n;
    int width, height;   /* of the pictures, in pixels                    */
    double scale;        /* what the lightest colour is                   */
    const char *colours; /* from 0 to the scale, evenly: "#30295f #..."  */
    const char *caption, *conditions;
} CamPage;

/* Writes cam.dat, cam.gp, cam.svg and cam.png into folder, which there is.
 * Fails as plot_draw does. */
int plot_cam(const CamPage *page, const char *folder);

#endif
