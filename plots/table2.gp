# table2.gp - throughput of each module relative to its plain backbone, here and
# in the paper: one panel per backbone, a pair of bars per module.

head = 36               # above the bars of a panel: its titles
names = 20              # below them
set yrange [0:yhi]
set border 1
unset xtics
grey = "#c4c4c4"
colour(strong) = strong > 0 ? 0xD55E00 : 0x0072B2
shade(strong, converged) = converged > 0 ? colour(strong) : 0xffffff    # hollow

# The legend stands once, above all panels.
legend = 1 - 10 / height
key(n) = (left + n) / width

do for [format in formats] {
    eval begin(format)
    set label 1 "throughput, relative to the plain network" at screen 6 / width, screen legend left textcolor rgb ink
    set object 1 rectangle from screen key(240), screen legend - 4 / height to screen key(248), screen legend + 4 / height fc rgb "#0072B2" fs solid noborder
    set object 2 rectangle from screen key(250), screen legend - 4 / height to screen key(258), screen legend + 4 / height fc rgb "#D55E00" fs solid noborder
    set label 2 "here, with 95 % interval" at screen key(263), screen legend left font small textcolor rgb ink
    set object 3 rectangle from screen key(388), screen legend - 4 / height to screen key(396), screen legend + 4 / height fc rgb grey fs solid noborder
    set label 3 "paper" at screen key(401), screen legend left font small textcolor rgb ink
    if (direct) {
        set label 4 "" at screen key(440), screen legend point pt 6 ps 0.45 lw 0.9 lc rgb ink
        set label 5 "own steps alone" at screen key(447), screen legend left font small textcolor rgb ink
    }
    set multiplot
    do for [p = 1:panels] {
        at_left = X[p] == left
        # Bars keep their width where the name is wider than all of them.
        spare = (real(Wide[p]) / slot - Slots[p]) / 2
        xlo = 0.5 - spare; xhi = Slots[p] + 0.5 + spare
        set xrange [xlo:xhi]
        set lmargin at screen X[p] / width
        set rmargin at screen (X[p] + Wide[p]) / width
        set tmargin at screen 1 - (Y[p] + head) / height
        set bmargin at screen 1 - (Y[p] + line_height - names) / height
        unset ytics
        if (at_left) { set ytics 0, ystep format "%.1f" scale 0 }
        set label 903 Title[p] at graph 0, graph 1 left offset 0,1.7 textcolor rgb ink
        set label 904 Rank[p] at graph 0, graph 1 left offset 0,0.7 font small textcolor rgb soft
        plot for [k = 1:int(yhi / ystep)] (abs(k * ystep - 1) < 0.01 ? NaN : k * ystep) with lines lc rgb faint dt solid lw 0.5, \
             data index p - 1 using ($1 + 0.19):($6 / 2):($1 + 0.02):($1 + 0.36):(0):6 with boxxyerror fs solid noborder fc rgb grey, \
             data index p - 1 using ($1 - 0.19):($2 / 2):($1 - 0.36):($1 - 0.02):(0):2:(shade($7, $5)) with boxxyerror fs solid noborder lc rgb variable, \
             data index p - 1 using ($1 - 0.36):(0):(0):2:(colour($7)) with vectors nohead lc rgb variable dt solid lw 1, \
             data index p - 1 using ($1 - 0.02):(0):(0):2:(colour($7)) with vectors nohead lc rgb variable dt solid lw 1, \
             data index p - 1 using ($1 - 0.36):2:(0.34):(0):(colour($7)) with vectors nohead lc rgb variable dt solid lw 1, \
             data index p - 1 using ($1 - 0.19):3:(0):($4 - $3) with vectors nohead lc rgb ink dt solid lw 1, \
             data index p - 1 using ($1 - 0.19):9:(0):($10 - $9) with vectors nohead lc rgb ink dt solid lw 1, \
             data index p - 1 using ($1 - 0.19):8 with points pt 7 ps 0.55 lc rgb white, \
             data index p - 1 using ($1 - 0.19):8 with points pt 6 ps 0.45 lw 0.9 lc rgb ink, \
             1 with lines lc rgb ink dt solid lw 0.8, \
             data index p - 1 using 1:(0):11 with labels center offset 0,-0.8 textcolor rgb ink
        unset label 1; unset label 2; unset label 3         # once a page
        unset label 4; unset label 5
        unset label 901; unset label 902; unset object
    }
    unset multiplot
    unset output
}
