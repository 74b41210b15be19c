# throughput.gp - throughput relative to the plain network, here and in the
# paper: one row per module.

margin_top = 34
pale = "#b3d4e8"
set lmargin at screen 64 / width
set rmargin at screen 1 - 56 / width
set tmargin at screen 1 - margin_top / height
set bmargin at screen 1 - (margin_top + rows * row_height) / height

set xrange [xlo:xhi]
set yrange [rows + 0.5:0.5]
unset ytics
set border 1
set xtics xstep format "%.1f"
set xlabel "throughput, relative to plain " . backbone offset 0,0.4 textcolor rgb ink
set object 1 rectangle from noise_lo, graph 0 to noise_hi, graph 1 fc rgb faint fs solid noborder behind
set arrow 1 from 1, graph 0 to 1, graph 1 nohead lc rgb ink lw 0.8 back

# The legend is a row above the plot.
legend = 1 - 17 / height
set label 1 "" at screen 70 / width, screen legend point pt 7 ps 0.7 lc rgb ink
set label 2 "here, with 95 % interval" at screen 78 / width, screen legend left font small textcolor rgb ink
set arrow 2 from screen 204 / width, screen legend - 5 / height to screen 204 / width, screen legend + 5 / height nohead lc rgb ink lw 1.4
set label 3 "paper" at screen 211 / width, screen legend left font small textcolor rgb ink
if (direct) {
    set object 2 rectangle from screen 250 / width, screen legend - 3.5 / height to screen 268 / width, screen legend + 3.5 / height fc rgb pale fs solid noborder
    set label 5 "own steps" at screen 273 / width, screen legend left font small textcolor rgb ink
}
set label 4 "images/s" at screen 1 - 10 / width, screen legend right font small textcolor rgb soft

colour(strong) = strong > 0 ? 0xD55E00 : 0x0072B2
tint(strong) = strong > 0 ? 0xF3CBB0 : 0xB3D4E8
do for [format in formats] {
    eval begin(format)
    plot data using (xlo):1:(xhi - xlo):(0) with vectors nohead lc rgb faint lw 0.5, \
         data using 9:1:9:(1):($1 - 0.2):($1 + 0.2):(tint($8)) with boxxyerror fs solid noborder lc rgb variable, \
         data using 10:1:($11 - $10):(0):(colour($8)) with vectors nohead lc rgb variable dt solid lw 2.6, \
         data using 2:1:3:4:(colour($8)) with xerrorbars lc rgb variable dt solid lw 1.6 pt 0, \
         data using 2:1 with points pt 7 ps 0.85 lc rgb white, \
         data using 2:1:($5 > 0 ? 7 : 6):(colour($8)) with points pt variable ps 0.7 lw 1 lc rgb variable, \
         data using 6:($1 + 0.42):(0):(-0.84) with vectors nohead lc rgb white dt solid lw 3.4, \
         data using 6:($1 + 0.42):(0):(-0.84) with vectors nohead lc rgb ink dt solid lw 1.4, \
         data using (xlo):1:12 with labels right offset -1,0 textcolor rgb ink, \
         data using (xhi):1:(sprintf(images_format, $7)) with labels right offset 7.4,0 font small textcolor rgb soft
    unset output
}
