# erf_scaling.gp - a number of receptive fields against the input's side.

across_at(p) = (p - 1) % int(across)
down_at(p) = (p - 1) / int(across)
rows = panels / across
cell_width = margin_left + panel_width + margin_right
cell_height = margin_top + panel_height + margin_bottom
style(i) = int(word(Styles, i))
room = (xhi - xlo) * 0.03
# Names stand within the axes, whose bottom ends with the data: arrow 1.
xend = xhi + room + real(margin_right) / panel_width * (xhi - xlo + 2 * room)
set border 2

do for [format in formats] {
    eval begin(format)
    set multiplot
    do for [p = 1:panels] {
        set lmargin at screen (across_at(p) * cell_width + margin_left) / width
        set rmargin at screen (across_at(p) + 1) * cell_width / width
        set tmargin at screen 1 - (down_at(p) * cell_height + margin_top) / height
        set bmargin at screen 1 - ((down_at(p) + 1) * cell_height - margin_bottom) / height
        set xrange [xlo - room:xend]
        set yrange [0:Top[p]]
        set xtics () out nomirror scale 0.5
        set for [t in ticks] xtics add (t real(t))
        set ytics autofreq out nomirror scale 0.5
        set label 903 Title[p] at graph 0, graph 1 left offset -4,0.9 textcolor rgb ink
        set label 904 "side of the input, pixels" at first (xlo + xhi) / 2, graph 0 center offset 0,-2.2 textcolor rgb ink
        set arrow 1 from graph 0, graph 0 to first xhi + room, graph 0 nohead lc rgb ink lw 0.6
        b = (p - 1) * modules
        plot for [i = 1:modules] data index b + i - 1 using 1:2 with lines lt style(i) lw 1.2, \
             for [i = 1:modules] data index b + i - 1 using 1:2:3:4 with yerrorbars lt style(i) dt solid lw 1 pt 0, \
             for [i = 1:modules] data index b + i - 1 using 1:2 with points lt style(i) pt point(style(i), 1) ps 0.6, \
             data index panels * modules using ($1 == p ? xhi + 2 * room : NaN):4:6 with labels left textcolor rgb ink
        unset label 901; unset label 902    # once a page
    }
    unset multiplot
    unset output
}
