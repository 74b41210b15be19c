# theme.gp - what all figures share: terminals, fonts, colours, points.
#
# One unit is a point in print: 245 wide is a paper's column, 504 both; the
# figures are drawn half as large again.  Texts are taken as they are.

if (!exists("zoom")) zoom = 2           # pixels of the PNG a unit
if (!exists("font")) font = "Arial"     # or what the system puts for it

set encoding utf8
width = real(width); height = real(height)
ink = "#222222"; soft = "#767676"; faint = "#d4d4d4"; white = "#ffffff"

svg(w, h) = sprintf("set terminal svg noenhanced size %d,%d font '%s,10' background rgb 'white'", w, h, font)
png(w, h) = sprintf("set terminal pngcairo noenhanced size %d,%d font '%s,10' fontscale %g linewidth %g pointscale %g", w * zoom, h * zoom, font, zoom * .75, zoom, zoom)
# Okabe and Ito's colours, which the colour-blind tell apart; dash and point
# make each line known in black and white too.  plots/style.c gives them out in
# the order of the list of modules; 13 is the plain network, 14 to 16 are for
# modules that join the list.
set linetype  1 lc rgb "#D55E00" dt solid
set linetype  2 lc rgb "#0072B2" dt solid
set linetype  3 lc rgb "#0072B2" dt (8,4)
set linetype  4 lc rgb "#009E73" dt solid
set linetype  5 lc rgb "#009E73" dt (8,4)
set linetype  6 lc rgb "#CC79A7" dt solid
set linetype  7 lc rgb "#CC79A7" dt (8,4)
set linetype  8 lc rgb "#E69F00" dt solid
set linetype  9 lc rgb "#E69F00" dt (8,4)
set linetype 10 lc rgb "#56B4E9" dt solid
set linetype 11 lc rgb "#56B4E9" dt (8,4)
set linetype 12 lc rgb "#666666" dt solid
set linetype 13 lc rgb "#000000" dt solid
set linetype 14 lc rgb "#000000" dt (2,3)
set linetype 15 lc rgb "#0072B2" dt (2,3)
set linetype 16 lc rgb "#009E73" dt (2,3)
# 17 to 32: the same, dotted, for modules that ran as one op.
colours = "D55E00 0072B2 0072B2 009E73 009E73 CC79A7 CC79A7 E69F00 E69F00 56B4E9 56B4E9 666666 000000 000000 0072B2 009E73"
do for [i = 1:16] { set linetype (i + 16) lc rgb "#" . word(colours, i) dt (2,3) }
full = "7 5 9 11 13 15 5 9 15 13 7 15 5 9 11 13"    # gnuplot's filled points
point(style, filled) = int(word(full, (int(style) - 1) % 16 + 1)) - (filled > 0 ? 0 : 1)

set border 3 lc rgb ink lw 0.6
set tics nomirror out scale 0.5,0.25 textcolor rgb ink
set key off
set bars 0

# The foot: what a reader must know, then the conditions of measurement.
small = font . ",8"
feet = "set label 901 caption at screen 10 / width, (foot - 7) / height left font small textcolor rgb ink;" . \
       "set label 902 conditions at screen 10 / width, (conditions_height - 3) / height left font small textcolor rgb soft"

begin(format) = (format eq "svg" ? svg(width, height) : png(width, height)) . \
                sprintf("; set output '%s.%s'; %s", name, format, feet)
