# erf.gp - which input pixels influence a layer, on one scale.

set palette defined (0 "#ffffff", 0.2 "#fde3b0", 0.4 "#f6a26b", 0.6 "#d6517d", 0.8 "#7a2b86", 1 "#190f3d")
tone(share) = (share / peak) ** 0.25
across(p) = int(At[p]) % int(columns)
down(p) = int(At[p]) / int(columns)
x0(p) = left + across(p) * (panel_width + gap)
y0(p) = top + down(p) * (panel_height + under)

do for [format in formats] {
    eval begin(format)
    set multiplot
    set cbrange [0:1]
    unset tics
    # The tone, on the first panel's account: shares over the largest.
    set colorbox horizontal user origin screen left / width, screen (foot + 24) / height size screen bar / width, screen 9 / height
    set cbtics ("0" 0, "0.0001" 0.1, "0.01" 0.01 ** 0.25, "0.1" 0.1 ** 0.25, "1" 1) nomirror out scale 0.5 offset 0,0.4 font small textcolor rgb ink
    set border 15 lc rgb soft lw 0.4
    do for [p = 1:panels] {
        set lmargin at screen x0(p) / width
        set rmargin at screen (x0(p) + panel_width) / width
        set tmargin at screen 1 - y0(p) / height
        set bmargin at screen 1 - (y0(p) + panel_height) / height
        set xrange [0:xpixels]
        set yrange [ypixels:0]
        unset label 903; unset label 904
        if (down(p) == 0) { set label 903 Column[across(p) + 1] at graph 0, graph 1 left offset 0,0.7 textcolor rgb ink }
        if (across(p) == 0) { set label 904 Row[down(p) + 1] at graph 0, graph 0.5 center rotate by 90 offset -1.5,0 textcolor rgb ink }
        set label 905 Holds[p] at graph 0, graph 0 left offset 0,-0.7 font small textcolor rgb soft
        set label 906 Said[p] at graph 0, graph 0 left offset 0,-1.6 font small textcolor rgb ink
        set label 907 Gates[p] at graph 0, graph 0 left offset 0,-2.5 font small textcolor rgb soft
        plot data index p - 1 matrix using (($1 + 0.5) * cell):(($2 + 0.5) * cell):(tone($3)) with image, \
             data index panels using ($1 == p ? $2 : NaN):3:($4 - $2):(0) with vectors nohead dt solid lc rgb white lw 1.6, \
             data index panels using ($1 == p ? $2 : NaN):5:($4 - $2):(0) with vectors nohead dt solid lc rgb white lw 1.6, \
             data index panels using ($1 == p ? $2 : NaN):3:(0):($5 - $3) with vectors nohead dt solid lc rgb white lw 1.6, \
             data index panels using ($1 == p ? $4 : NaN):3:(0):($5 - $3) with vectors nohead dt solid lc rgb white lw 1.6, \
             data index panels using ($1 == p ? $2 : NaN):3:($4 - $2):(0) with vectors nohead dt solid lc rgb ink lw 0.6, \
             data index panels using ($1 == p ? $2 : NaN):5:($4 - $2):(0) with vectors nohead dt solid lc rgb ink lw 0.6, \
             data index panels using ($1 == p ? $2 : NaN):3:(0):($5 - $3) with vectors nohead dt solid lc rgb ink lw 0.6, \
             data index panels using ($1 == p ? $4 : NaN):3:(0):($5 - $3) with vectors nohead dt solid lc rgb ink lw 0.6
        unset label 901; unset label 902; unset colorbox    # once a page
    }
    unset multiplot
    unset output
}
