"""test_sass.py - what tests/sass.py reads off machine code, and its rules; the
texts are as cuobjdump writes them, shortened."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sass  # noqa: E402

HEAD = "\tcode for sm_90\n\t\tFunction : %s\n\t.headerflags\t@\"EF_CUDA\"\n"
TAIL = ["BRA 0x%x", "NOP", "NOP"]


def text_of(lines, name="_Z5packs"):
    """Machine code of these instructions and what ends every function."""
    text = HEAD % name
    for i, line in enumerate(lines + TAIL):
        at = 16 * i
        if line == TAIL[0]:
            line = line % at
        text += "        /*%04x*/    %-30s ;  /* 0x0000000a00017a02 */\n" % (
            at, line)
        text += "%46s/* 0x000fe40000000f00 */\n" % ""
    return text


def kernel_of(lines, file="unary.cu", name="packs<float>", **counts):
    kernel = sass.parse(text_of(lines))["_Z5packs"]
    kernel.file, kernel.name = file, name
    sass.count(kernel)
    kernel.counts.update(counts)
    return kernel


GOOD = ["LDG.E.128 R4, desc[UR4][R2.64]", "STG.E.128 desc[UR4][R2.64], R4",
        "EXIT"]


class Reading(unittest.TestCase):
    def test_instructions_are_counted_by_kind(self):
        kernel = kernel_of([
            "S2R R0, SR_TID.X", "LDG.E.128.CONSTANT R4, desc[UR4][R2.64]",
            "@!P0 LDG.E.U16 R8, desc[UR4][R2.64]",
            "@P1 LDG.E.64 R8, desc[UR4][R2.64]",
            "STG.E.U16 desc[UR4][R2.64], R8", "LDS.128 R4, [R1]",
            "STS [R1+0x10], R4", "STL [R1], R4", "LDL R4, [R1]",
            "I2F.U32.RP R4, R5", "MUFU.EX2 R4, R5",
            "SHFL.BFLY PT, R4, R5, 0x10, 0x1f", "@P0 DADD R4, R4, R6",
            "LDGDEPBAR", "EXIT"])
        want = dict(instructions=15, ldg128=1, ldg64=1, stg128=0,
                    stg_narrow=1, lds=1, sts=1, local=2, i2f=1, mufu=1,
                    shfl=1, fp64=1, calls_in_loops=0, bytes=240)
        for name, number in want.items():
            self.assertEqual(kernel[name], number, name)

    def test_asynchronous_copies_are_no_narrow_loads(self):
        kernel = kernel_of(["LDGSTS.E.BYPASS.128 [R4], desc[UR4][R2.64]",
                            "LDGDEPBAR", "EXIT"])
        self.assertEqual((kernel["ldg128"], kernel["ldg_narrow"]), (0, 0))

    def test_registers_and_stack_go_by_name(self):
        kernels = sass.parse(text_of(GOOD, "a") + text_of(GOOD, "b"))
        sass.parse_usage(" Function b:\n  REG:40 STACK:16 SHARED:0 LOCAL:0\n"
                         " Function a:\n  REG:255 STACK:0 SHARED:8\n"
                         " Function other:\n  REG:1 STACK:2\n", kernels)
        self.assertEqual([(k["registers"], k["stack"])
                          for k in kernels.values()], [(255, 0), (40, 16)])

    def test_a_name_loses_its_arguments_alone(self):
        for name, short in [
                ("void packs<float, Relu>(float *, Relu)",
                 "packs<float, Relu>"),
                ("tiles(int (*)[4], F<(Kind)2>)", "tiles"),
                ("void each<(Kind)1, 2>(int)", "each<(Kind)1, 2>")]:
            self.assertEqual(sass.short_name(name), short)


class Calls(unittest.TestCase):
    def in_loops(self, lines):
        return kernel_of(lines)["calls_in_loops"]

    def test_in_a_loop_is_counted(self):
        self.assertEqual(self.in_loops(
            ["MOV R1, R2", "CALL.REL.NOINC 0x50", "IADD R1, R1, 0x1",
             "@P0 BRA 0x10", "EXIT", "RET.REL.NODEC R2 0x0"]), 1)

    def test_before_and_after_a_loop_is_not(self):
        self.assertEqual(self.in_loops(
            ["CALL.REL.NOINC 0x50", "IADD R1, R1, 0x1", "@P0 BRA 0x10",
             "CALL.REL.NOINC 0x50", "EXIT", "RET.REL.NODEC R2 0x0"]), 0)

    def test_out_of_line_counts_where_it_returns_into_the_loop(self):
        slow = ["IADD R1, R1, 0x1", "@!P1 BRA 0x40", "@P0 BRA 0x0", "EXIT",
                "CALL.REL.NOINC 0x60", "BRA 0x20", "RET.REL.NODEC R2 0x0"]
        self.assertEqual(self.in_loops(slow), 1)
        slow[5] = "BRA 0x30"  # out of the loop: a branch back, but no way round
        self.assertEqual(self.in_loops(slow), 0)

    def test_an_unconditional_branch_does_not_fall_through(self):
        self.assertEqual(self.in_loops(
            ["MOV R1, R2", "BRA 0x40", "CALL.REL.NOINC 0x50", "BRA 0x0",
             "EXIT", "RET.REL.NODEC R2 0x0"]), 0)

    def test_uniform_branches_may_fall_through(self):
        self.assertEqual(self.in_loops(
            ["BRA.U UP0, 0x30", "CALL.REL.NOINC 0x40", "BRA 0x0", "EXIT",
             "RET.REL.NODEC R2 0x0"]), 1)


class Rules(unittest.TestCase):
    def broken(self, kernel, exceptions=""):
        found, excused = sass.judge([kernel],
                                    sass.read_exceptions(exceptions))
        return [line.split(": ")[1] for line in found], excused

    def test_a_good_kernel_breaks_none(self):
        self.assertEqual(self.broken(kernel_of(GOOD, registers=32))[0], [])

    def test_each_has_a_kernel_that_breaks_it(self):
        loop = ["CALL.REL.NOINC 0x40", "@P0 BRA 0x0"] + GOOD
        for rule, kernel in [
                ("no_local_memory", kernel_of(["LDL R1, [R2]"] + GOOD)),
                ("no_local_memory", kernel_of(GOOD, stack=8)),
                ("no_call_in_a_loop", kernel_of(loop)),
                ("whole_packs", kernel_of(GOOD[1:])),
                ("whole_packs", kernel_of([GOOD[0], "EXIT"])),
                ("blocks_fit", kernel_of(GOOD, registers=33)),
                ("short_code", kernel_of(GOOD + ["MOV R1, R2"] * 3072))]:
            self.assertEqual(self.broken(kernel)[0], [rule])

    def test_packs_are_asked_of_instances_for_packs(self):
        for name, want in [("slabs<__half, 8>", ["whole_packs"]),
                           ("slabs<float, 4>", ["whole_packs"]),
                           ("slabs<__half, 1>", [])]:
            kernel = kernel_of(["EXIT"], "group_norm.cu", name)
            self.assertEqual(self.broken(kernel)[0], want, name)

    def test_fused_kernels_may_be_longer(self):
        kernel = kernel_of(GOOD + ["MOV R1, R2"] * 4000, "scsa_cluster.cu",
                           "scsa<float>")
        self.assertEqual(self.broken(kernel)[0], [])

    def test_an_exception_holds_for_its_rule_file_and_kernels(self):
        kernel = kernel_of(GOOD, stack=8)
        for line, want in [
                ("no_local_memory unary.cu packs<*: a reason", []),
                ("no_local_memory binary.cu packs<*: a reason",
                 ["no_local_memory"]),
                ("no_local_memory unary.cu rows<*: a reason",
                 ["no_local_memory"]),
                ("short_code unary.cu packs<*: a reason",
                 ["no_local_memory"])]:
            found, excused = self.broken(kernel, "# words\n\n" + line)
            self.assertEqual(found, want, line)
            self.assertEqual([len(k) for k in excused.values()],
                             [0 if want else 1], line)


class Baseline(unittest.TestCase):
    def rows(self, *kernels):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "SASS.csv")
            sass.write_baseline(path, "13.0.1", {
                (k.file, k.name): sass.row_of(k) for k in kernels})
            version, rows = sass.read_baseline(path)
            self.assertEqual(version, "13.0.1")
            return rows

    def test_what_was_written_is_no_change(self):
        kernel = kernel_of(GOOD)
        self.assertEqual(sass.compare([kernel], self.rows(kernel)), [])

    def test_more_than_5_percent_is_a_change(self):
        rows = self.rows(kernel_of(GOOD, registers=40))
        for registers, changes in [(40, 0), (42, 0), (43, 1), (38, 0),
                                   (37, 1)]:
            kernel = kernel_of(GOOD, registers=registers)
            self.assertEqual(len(sass.compare([kernel], rows)), changes)

    def test_new_and_lost_kernels_are_changes(self):
        a, b = kernel_of(GOOD, name="a"), kernel_of(GOOD, name="b")
        self.assertEqual(sass.compare([a], self.rows(b)),
                         ["unary.cu a: is new", "unary.cu b: is gone"])

    def test_files_that_were_not_looked_at_are_none(self):
        a, b = kernel_of(GOOD), kernel_of(GOOD, file="binary.cu")
        self.assertEqual(sass.compare([a], self.rows(a, b)), [])


if __name__ == "__main__":
    unittest.main()
