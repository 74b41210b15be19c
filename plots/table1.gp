# table1.gp - throughput of SCSA's variants relative to SCSA, here and in the
# paper: one row per variant.

margin_top = 34
set lmargin at screen names / width
set rmargin at screen 1 - 14 / width
set tmargin at screen 1 - margin_top / height
set bmargin at screen 1 - (margin_top + rows * row_height) / height

set xrange [xlo:xhi]
set yrange [rows + 0.5:0.5]
unset ytics
set border 1
set xtics format "%.2f"
set xlabel "throughput, relative to " . base offset 0,0.4 textcolor rgb ink
set object 1 rectangle from noise_lo, graph 0 to noise_hi, graph 1 fc rgb faint fs solid noborder behind
set arrow 1 from 1, graph 0 to 1, graph 1 nohead lc rgb ink lw 0.8 back

# The legend is a row above the plot.
legend = 1 - 17 / height
set label 1 "" at screen (names + 6) / width, screen legend point pt 7 ps 0.7 lc rgb "#0072B2"
set label 2 "here, with 95 % interval" at screen (names + 14) / width, screen legend left font small textcolor rgb ink
set arrow 2 from screen (names + 140) / width, screen legend - 5 / height to screen (names + 140) / width, screen legend + 5 / height nohead lc rgb ink lw 1.4
set label 3 "paper" at screen (names + 147) / width, screen legend left font small textcolor rgb ink

do for [format in formats] {
    eval begin(format)
    plot data using (xlo):1:(xhi - xlo):(0) with vectors nohead lc rgb faint lw 0.5, \
         data using 2:1:3:4 with xerrorbars lc rgb "#0072B2" dt solid lw 1.6 pt 0, \
         data using 2:1 with points pt 7 ps 0.85 lc rgb white, \
         data using 2:1:($5 > 0 ? 7 : 6) with points pt variable ps 0.7 lw 1 lc rgb "#0072B2", \
         data using 6:($1 + 0.42):(0):(-0.84) with vectors nohead lc rgb white dt solid lw 3.4, \
         data using 6:($1 + 0.42):(0):(-0.84) with vectors nohead lc rgb ink dt solid lw 1.4, \
         data using (xlo):1:11 with labels right offset -1,0 textcolor rgb ink
    unset output
}
