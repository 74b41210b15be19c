# erf_scaling.gp - a number of receptive fields against the input's side.

across_at(p) = (p - 1) % int(across)
down_at(p) = (p - 1) / int(across)
rows = panels / across
cell_width = margin_left + panel_width + margin_right
cell_height = margin_top + panel_height + margin_bottom
y0(p) = head + down_at(p) * cell_height
room = (xhi - xlo) * 0.03
# Names stand within the axes, whose bottom ends with the data: arrow 1.
xend = xhi + room + real(margin_right) / panel_width * (xhi - xlo + 2 * room)
a_point = (xend - xlo + room) / (panel_width + margin_right)
# Of line i of a panel: its block, style, whether it is dotted, where it stands.
lines(p) = words(Lines[p]) / 4
block(p, i) = int(word(Lines[p], 4 * i - 3))
style(p, i) = int(word(Lines[p], 4 * i - 2))
dotted(p, i) = int(word(Lines[p], 4 * i - 1))
dash(p, i) = dotted(p, i) ? 3 : 1
aside(p, i) = real(word(Lines[p], 4 * i)) * a_point
set border 2
set style line 1 lc rgb faint lw 2

do for [format in formats] {
    eval begin(format)
    set multiplot
    do for [p = 1:panels] {
        set lmargin at screen (across_at(p) * cell_width + margin_left) / width
        set rmargin at screen (across_at(p) + 1) * cell_width / width
        set tmargin at screen 1 - (y0(p) + margin_top) / height
        set bmargin at screen 1 - (y0(p) + margin_top + panel_height) / height
        set xrange [xlo - room:xend]
        set yrange [0:Top[p]]
        set xtics () out nomirror scale 0.5
        set for [t in ticks] xtics add (t real(t))
        set ytics autofreq out nomirror scale 0.5
        unset label 904; unset label 905
        set label 903 Title[down_at(p) + 1] at graph 0, graph 1 left offset -4,0.9 textcolor rgb ink
        if (down_at(p) == 0) { set label 905 Head[across_at(p) + 1] at graph 0, graph 1 left offset -4,2.6 font font . " Bold,11" textcolor rgb ink }
        if (down_at(p) == rows - 1) { set label 904 "side of the input (pixels)" at first (xlo + xhi) / 2, graph 0 center offset 0,-2.2 textcolor rgb ink }
        set arrow 1 from graph 0, graph 0 to first xhi + room, graph 0 nohead lc rgb ink lw 0.6
        unset arrow 2
        if (All[p] > 0) { set arrow 2 from first xlo, xlo * All[p] to first xhi, xhi * All[p] nohead back ls 1 }
        plot for [i = 1:lines(p)] data index block(p, i) using ($1 + aside(p, i)):2 with lines lt style(p, i) dt dash(p, i) lw 1.2, \
             for [i = 1:lines(p)] data index block(p, i) using ($1 + aside(p, i)):3:(0):($4 - $3) with vectors nohead lt style(p, i) dt solid lw 1, \
             for [i = 1:lines(p)] data index block(p, i) using ($1 + aside(p, i)):(dotted(p, i) ? NaN : $2) with points lt style(p, i) pt point(style(p, i), 1) ps 0.6, \
             data index blocks using ($1 == p && $5 > 0 ? xhi + 2 * room : NaN):4:6 with labels left textcolor rgb ink, \
             data index blocks using ($1 == p && $5 == 0 ? xhi + 2 * room : NaN):4:6 with labels left font small textcolor rgb soft
        unset label 901; unset label 902    # once a page
    }
    unset multiplot
    unset output
}
