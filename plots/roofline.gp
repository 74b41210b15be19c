# roofline.gp - operations a second against operations a byte, under roofs.

across(p) = panels > 1 ? (p - 1) % 2 : 0
down(p) = panels > 1 ? (p - 1) / 2 : 0
rows = panels > 1 ? (panels + 1) / 2 : 1
cell_width = margin_left + panel_width + margin_right
cell_height = margin_top + panel_height + margin_bottom
tiny = font . ",7"
dot = steps ? 0.4 : 0.65     # many steps of a network, or few modules

# Bandwidths are lines of slope 1 in decades; this many degrees on the page.
slope = atan2(panel_height / log10(yhi / ylo), panel_width / log10(xhi / xlo)) * 180 / pi

do for [format in formats] {
    eval begin(format)
    set multiplot
    set logscale xy
    set xrange [xlo:xhi]
    set yrange [ylo:yhi]
    do for [p = 1:panels] {
        set lmargin at screen (across(p) * cell_width + margin_left) / width
        set rmargin at screen (across(p) * cell_width + margin_left + panel_width) / width
        set tmargin at screen 1 - (down(p) * cell_height + margin_top) / height
        set bmargin at screen 1 - ((down(p) + 1) * cell_height - margin_bottom) / height
        set format "%g"
        set xtics 10 out nomirror scale 0.5,0.25
        set ytics 10 out nomirror scale 0.5,0.25
        set label 903 Shape[p] at graph 1, graph 1 right offset 0,0.9 textcolor rgb ink
        set label 904 "GFLOP/s" at graph 0, graph 1 left offset -4,0.9 textcolor rgb ink
        set label 905 "FLOPs a byte moved" at graph 0.5, graph 0 center offset 0,-2.2 textcolor rgb ink
        # Names begin a little inside the range, where rounding drops none.
        plot data index panels + 1 using 1:2:($3 - $1):($4 - $2) with vectors nohead lc rgb ink lw 0.8, \
             data index p - 1 using 1:2:($5 - $1):($6 - $2) with vectors nohead lc rgb faint lw 0.6, \
             data index p - 1 using 5:6:4 with points pt 1 ps 0.3 lc variable lw 0.6, \
             data index p - 1 using 1:2 with points pt 7 ps 1.23 * dot lc rgb white, \
             data index p - 1 using 1:2:(point($4, $3)):4 with points pt variable lc variable ps dot lw 1, \
             data index panels + 1 using ($5 == 1 ? $1 * 1.02 : NaN):($2 * 1.02):6 with labels left rotate by slope offset 0.1,1.3 font tiny textcolor rgb ink, \
             data index panels + 1 using ($5 == 1 ? NaN : $3 / 1.02):2:6 with labels right offset 0,0.5 font tiny textcolor rgb ink
        unset label 901; unset label 902    # once a page
    }
    # The key, on a page of its own of which the axes, still log, are a decade.
    unset label; unset tics; unset border
    set lmargin at screen 0
    set rmargin at screen 1
    set tmargin at screen (foot + key_height + 7) / height
    set bmargin at screen (foot + 7) / height
    set xrange [1:10]
    set yrange [1:10]
    right(x) = 10**(x / width)
    below(y) = 10**(1 - (y + 7) / key_height)
    plot data index panels using (right($1)):(below($2)):(point($4, $3)):4 with points pt variable lc variable ps 0.7 lw 1, \
         data index panels using (right($1 + 7)):(below($2)):5 with labels left textcolor rgb ink
    unset multiplot
    set border 3
    unset output
}
