"""Loops are found in both kinds of disassembly, and in real kernels."""

from types import SimpleNamespace

import pytest

from splashgen.compile import Job, compile_many
from splashgen.compile.loops import Loop, _of_sass, instructions_and_loops
from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.problem import DType
from splashgen.tune.presets import entmax

SASS = """
    /*0000*/                   S2R R0, SR_TID.X ;                  /* 0x0000000000007919 */
    /*0010*/                   NOP ;                               /* 0x0000000000007918 */
    /*0020*/                   LDS R2, [R0] ;                      /* 0x0 */
    /*0030*/                   HMMA.16816.F32.BF16 R4, R2, R3, R4 ; /* 0x0 */
    /*0040*/                   FADD R1, R1, R4 ;                   /* 0x0 */
    /*0050*/                   FADD R1, R1, R5 ;                   /* 0x0 */
    /*0060*/                   @P1 STL [R1+0x8], R6 ;              /* 0x0 */
    /*0070*/                   IADD3 R7, R7, 0x1, RZ ;             /* 0x0 */
    /*0080*/                   ISETP.NE.AND P0, PT, R7, R8, PT ;   /* 0x0 */
    /*0090*/               @P0 BRA 0x20 ;                          /* 0x0 */
    /*00a0*/               @P2 BRA 0x10 ;                          /* 0x0 */
    /*00b0*/                   EXIT ;                              /* 0x0 */
    /*00c0*/                   BRA 0xc0;                           /* 0x0 */
"""

BRANCHING = """
    /*0000*/                   HGMMA.64x64x16.F32.BF16 R24, gdesc[UR4], R24 ;  /* 0x0 */
    /*0010*/              @!P6 BRA 0x120 ;                         /* 0x0 */
    /*0020*/               @P1 BRA 0x60 ;                          /* 0x0 */
    /*0030*/                   ISETP.GT.AND P2, PT, R3, R4, PT ;   /* 0x0 */
    /*0040*/                   FSEL R24, R24, RZ, !P2 ;            /* 0x0 */
    /*0050*/                   FSEL R25, R25, RZ, !P2 ;            /* 0x0 */
    /*0060*/               @P3 BRA 0x80 ;                          /* 0x0 */
    /*0070*/                   FADD R1, R1, R24 ;                  /* 0x0 */
    /*0080*/                   FADD R1, R1, R25 ;                  /* 0x0 */
    /*0090*/               @P0 BRA 0x0 ;                           /* 0x0 */
    /*00a0*/                   EXIT ;                              /* 0x0 */
    /*0120*/                   SYNCS.PHASECHK.TRANS64.TRYWAIT P6, [UR18], R8 ; /* 0x0 */
    /*0130*/              @!P6 BRA 0x120 ;                         /* 0x0 */
    /*0140*/                   BRA 0x20 ;                          /* 0x0 */
"""

AMDGCN = """
\t.amdgcn_target "amdgcn-amd-amdhsa--gfx942"
kernel:
\ts_load_dwordx2 s[0:1], s[4:5], 0x0
.LBB0_1:                                ;   in Loop: Header=BB0_2 Depth=1
\tds_read_b64 v[0:1], v2
\tv_mfma_f32_32x32x8_bf16_1k a[0:15], v[0:1], v[2:3], a[0:15]
\tv_add_f32_e32 v4, v4, v5
\ts_cbranch_execz .LBB0_2
\tv_add_f32_e32 v4, v4, v5
.LBB0_2:                                ; %.lr.ph
                                        ; =>This Inner Loop Header: Depth=1
\tv_add_f32_e32 v4, v4, v5
\ts_nop 1
\tbuffer_store_dword v4, v6, s[0:3], 0 offen
\ts_cmp_lg_u32 s8, 0
\ts_cbranch_scc1 .LBB0_1
; %bb.3:
\ts_endpgm
"""


def test_sass_loops() -> None:
    """The outer loop and the trap at the end are none; no-operations do not count."""
    assert _of_sass(SASS) == (12, (Loop(instructions=8, products=1, transfers=2),))


def test_what_a_branch_in_a_loop_passes_over() -> None:
    """The longest counts; a branch out of the loop passes over nothing of it."""
    assert _of_sass(BRANCHING)[1] == (Loop(instructions=10, products=1, transfers=0, optional=3),)


def test_amdgcn_loops() -> None:
    """A block may stand before the header of its loop."""
    count, loops = instructions_and_loops(SimpleNamespace(asm={"amdgcn": AMDGCN}))
    assert count == 11
    assert loops == (Loop(instructions=9, products=1, transfers=2, optional=1),)


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["a100", "h100", "b200", "mi300x"])
def test_a_solver_s_loop_is_found_on_every_architecture(slug: str) -> None:
    """Entmax in registers has one loop, over the solver's steps, and no matrix products."""
    gpu, problem = KNOWN_GPUS[slug], entmax(DType.BFLOAT16, 1024)
    config = family_for(problem, gpu).default(problem, gpu)
    (kernels,) = compile_many([Job(problem, config, gpu, counted=True)])
    assert not isinstance(kernels, Exception)
    forward = next(kernel for kernel in kernels if kernel.name == "_forward_held")
    assert len(forward.loops) == 1 and forward.loops[0].products == 0
    assert 30 < forward.loops[0].instructions < forward.instructions < 1000
