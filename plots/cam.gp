# cam.gp - class activation maps over a picture, on one scale.

set palette maxcolors 256
steps = words(helix) - 1
stops = ''
do for [i = 0:steps] { stops = stops . (i ? ', ' : '') . sprintf("%g '%s'", real(i) / steps, word(helix, i + 1)) }
eval 'set palette defined (' . stops . ')'
across(p) = (p - 1) % int(columns)
down(p) = (p - 1) / int(columns)
x0(p) = edge + across(p) * (panel_width + gap)
y0(p) = down(p) * (top + panel_height + under) + top
# Without a map there is no scale, but a box of colours wants one.
range = scale > 0 ? scale : 1

do for [format in formats] {
    eval begin(format)
    set multiplot
    set cbrange [0:range]
    unset tics
    set colorbox vertical user origin screen (edge + columns * (panel_width + gap)) / width, screen 1 - (top + panel_height) / height size screen bar / width, screen panel_height / height
    set cbtics autofreq nomirror out scale 0.5 offset -0.6,0 font small textcolor rgb ink
    set border 15 lc rgb soft lw 0.4
    do for [p = 1:panels] {
        set lmargin at screen x0(p) / width
        set rmargin at screen (x0(p) + panel_width) / width
        set tmargin at screen 1 - y0(p) / height
        set bmargin at screen 1 - (y0(p) + panel_height) / height
        set xrange [-0.5:xpixels - 0.5]
        set yrange [-0.5:ypixels - 0.5]
        set label 903 Title[p] at graph 0, graph 1 left offset 0,0.6 textcolor rgb ink
        set label 904 Said[p] at graph 0, graph 0 left offset 0,-0.8 font small textcolor rgb ink
        set label 905 Also[p] at graph 0, graph 0 left offset 0,-1.8 font small textcolor rgb soft
        # The second draws nothing, but brings the colours.
        plot File[p] binary filetype=png with rgbimage, \
             '+' using (NaN):(NaN):(0) with points palette
        unset label 901; unset label 902; unset colorbox    # once a page
    }
    unset multiplot
    unset output
}
