# pareto.gp - the paper's accuracy against throughput measured here.

set lmargin at screen margin_left / width
set rmargin at screen 1 - margin_right / width
set tmargin at screen 1 - margin_top / height
set bmargin at screen (foot + margin_bottom) / height

set xrange [xlo:xhi]
set yrange [ylo:yhi]
set ytics format "%.1f"
set xlabel "throughput of " . backbone . " with each module (images/s)" offset 0,0.4 textcolor rgb ink
set label 1 "top-1 accuracy on ImageNet-1k (%)" at graph 0, graph 1 left offset -4,0.9 textcolor rgb ink

do for [format in formats] {
    eval begin(format)
    plot data index 1 using 1:2 with lines lc rgb soft lw 1 dt (2,3), \
         data index 0 using 1:2:($10 - $1):($9 - $2) with vectors nohead lc rgb faint lw 0.7, \
         data index 0 using 1:2:3:4:7 with xerrorbars lc variable dt solid lw 0.8 pt 0, \
         data index 0 using 1:2 with points pt 7 ps 0.95 lc rgb white, \
         data index 0 using 1:2:(point($7, $5)):7 with points pt variable lc variable ps 0.75 lw 1, \
         data index 0 using 8:9:11 with labels left textcolor rgb ink
    unset output
}
