# stages.gp - modules alone: one panel per shape, one row per module, time on a
# log axis.

set logscale x
set border 1
unset ytics
set xrange [xlo:xhi]
set yrange [rows + 0.5:0.5]

do for [format in formats] {
    eval begin(format)
    set multiplot
    do for [p = 1:panels] {
        set lmargin at screen (margin_left + (p - 1) * (panel_width + gap)) / width
        set rmargin at screen (margin_left + (p - 1) * (panel_width + gap) + panel_width) / width
        set tmargin at screen 1 - margin_top / height
        set bmargin at screen 1 - (margin_top + rows * row_height) / height
        unset xtics
        set xtics () out nomirror scale 0.5
        set for [e = -6:9] for [k = 2:9] xtics add ("" k * 10.**e 1)
        set for [i = 1:words(Yticks)] xtics add (word(Ynames, i) real(word(Yticks, i)))
        set label 903 Shape[p] at graph 0, graph 1 left offset 0,0.9 textcolor rgb ink
        set label 904 xlabel at graph 0.5, graph 0 center offset 0,-2.2 textcolor rgb ink
        plot data index panels using (xlo):1:(xhi - xlo):(0) with vectors nohead lc rgb faint lw 0.5, \
             data index p - 1 using 2:1:3:4:6 with xerrorbars lc variable lw 1.4 pt 0, \
             data index p - 1 using 2:1 with points pt 7 ps 0.85 lc rgb white, \
             data index p - 1 using 2:1:(point($6, $5)):6 with points pt variable lc variable ps 0.7 lw 1, \
             data index panels using (xlo):1:(p == 1 ? strcol(3) : "") with labels right offset -0.8,0 textcolor rgb ink
        unset label 901; unset label 902    # once a page
    }
    unset multiplot
    unset output
}
