# scaling.gp - one line per module on log-log axes, one panel or two in a row.

across(p) = panels > 1 ? (p - 1) % 2 : 0
down(p) = panels > 1 ? (p - 1) / 2 : 0
rows = panels > 1 ? (panels + 1) / 2 : 1
set logscale xy
set border 2            # the bottom ends with the data: arrow 1

# Blocks of the data file before panel p, and the style of its i-th line.
first_block(p) = p > 1 ? first_block(p - 1) + Count[p - 1] + 1 : 0
style(p, i) = int(word(Styles[p], i))

do for [format in formats] {
    eval begin(format)
    set multiplot
    do for [p = 1:panels] {
        set lmargin at screen (across(p) * cell_width + margin_left) / width
        set rmargin at screen ((across(p) + 1) * cell_width - margin_right) / width
        set tmargin at screen 1 - (down(p) * cell_height + margin_top) / height
        set bmargin at screen 1 - ((down(p) + 1) * cell_height - margin_bottom) / height
        set xrange [Xlo[p]:Xend[p]]
        set yrange [Ylo[p]:Yhi[p]]
        unset xtics; unset ytics
        set xtics () out nomirror scale 0.5
        set ytics () out nomirror scale 0.5,0.25
        set for [t in Xticks[p]] xtics add (t real(t))
        set for [e = -6:9] for [k = 2:9] ytics add ("" k * 10.**e 1)
        set for [i = 1:words(Yticks[p])] ytics add (word(Ynames[p], i) real(word(Yticks[p], i)))
        set label 903 Ylabel[p] at graph 0, graph 1 left offset -4.5,0.9 textcolor rgb ink
        set label 904 Xlabel[p] at sqrt(Xlo[p] * Xhi[p]), graph 0 center offset 0,-2.3 textcolor rgb ink
        set label 905 Note[p] at Xnote[p], graph 1 left offset 0,0.9 font small textcolor rgb soft
        set arrow 1 from graph 0, graph 0 to first Xhi[p], graph 0 nohead lc rgb ink lw 0.6
        b = first_block(p)
        n = Count[p]
        plot for [i = 1:n] data index b + i - 1 using 1:2 with lines lt style(p, i) lw (i == Strong[p] ? 2.4 : 1.1), \
             for [i = 1:n] data index b + i - 1 using 1:2:3:4 with yerrorbars lt style(p, i) dt solid lw 1 pt 0, \
             for [i = 1:n] data index b + i - 1 using 1:2 with points pt 7 ps (i == Strong[p] ? 0.9 : 0.75) lc rgb white, \
             for [i = 1:n] data index b + i - 1 using 1:2:(point(style(p, i), $5)) with points lt style(p, i) lw 1 ps (i == Strong[p] ? 0.75 : 0.55) pt variable, \
             data index b + n using 1:2:($3 - $1):($4 - $2) with vectors nohead lc rgb faint lw 0.7, \
             for [i = 1:n] data index b + n every ::i-1::i-1 using 3:4 with points lt style(p, i) pt point(style(p, i), 1) ps 0.7, \
             data index b + n using 5:4:7 with labels left textcolor rgb ink, \
             data index b + n using 6:4:8 with labels left font small textcolor rgb ink
        unset label 901; unset label 902    # once a page
    }
    unset multiplot
    unset output
}
