/* simt_rt.cpp -- fibers, scheduler, shared arenas, device heap; with -DSIMT_CHECK also the memory checker.
 * Never compiled with -fsanitize=thread itself, except for the real-TSan build (-DSIMT_TSAN). */
#include "kernels/simt/simt.h"
#include <stdarg.h>
#include <stdlib.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include <map>
#include <vector>
#include "kernels/simt/prims.h"
#include "kernels/simt/host.h"
#undef threadIdx
#undef blockIdx
#if defined(__SANITIZE_ADDRESS__)
#define SIMT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIMT_ASAN 1
#endif
#endif
#ifdef SIMT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SIMT_TSAN
extern "C" { void* __tsan_get_current_fiber(void); void* __tsan_create_fiber(unsigned); void __tsan_destroy_fiber(void*);
void __tsan_switch_to_fiber(void*, unsigned); void __tsan_acquire(void*); void __tsan_release(void*); }
#endif

enum { DONE = 0, RUN, BAR, CBAR, WARP };
enum { MAXT = 1024, MAXB = 16, SH_STRIDE = 1 << 20, DYN_OFF = 1 << 19, SMEM_MAX = 227 * 1024 };
#if defined(SIMT_ASAN)
static const size_t STACK = 256 << 10;
#else
static const size_t STACK = 64 << 10;
#endif
static const size_t HEAP = 16ull << 30, ARENA = HEAP + (size_t)MAXB * SH_STRIDE;

struct Coll { unsigned mask, arrived, left; int op; const char* f; int l; alignas(16) char v[32][16]; };
struct Warp { unsigned run, exist, exited, hi; Coll c[40]; };   /* c[0..hi) may be in use */
struct simt_block {
    uint3 idx; unsigned rank, lin, nthr, live, arrived, carrived, nwarps; unsigned warps_run;
    const char* bf; int bl; int redacc[3], redres[3]; unsigned phase;
    uint32_t iv, iv0; char* smem;
    Warp w[32]; simt_thread* t;
};
simt_thread* simt_cur; dim3 simt_blockDim, simt_gridDim;
static simt_thread mainthr; static simt_block blocks[MAXB]; static simt_thread threads[MAXB][MAXT];  /* static: the checker allows the image */
static simt_block* B[MAXB]; static unsigned nb, cur_launch, cphase, cl_arrived, cl_live;
static void (*g_call)(void*); static void* g_ctx; static size_t g_dyn; static bool g_abandon;
static char *arena, *heap, *heap_end, *heap_top;
struct Slot { simt_slot* s; uint32_t off; size_t n; const char* name; };
static std::vector<Slot>* slots; static uint32_t slot_top; static size_t slot_bytes;
static int order = 0; static uint64_t rng = 88172645463325252ull;
static int nerr; static char lastkind[40]; static unsigned long nswitch;
static bool dirty[MAXB][MAXT];
struct FX { void* fake; void* tsan; }; static FX fx[MAXB * MAXT + 1];
static simt_cpq cpq[MAXB][MAXT];
simt_cpq* simt_cpq_get(void) { return &cpq[simt_cur->blk->rank][simt_cur->lin]; }
static inline unsigned rnd() { rng ^= rng << 13; rng ^= rng >> 7; rng ^= rng << 17; return (unsigned)(rng >> 32); }

int simt_errors(void) { return nerr; }
const char* simt_last_kind(void) { return lastkind; }
int simt_errors_reset(void) { int n = nerr; nerr = 0; lastkind[0] = 0; return n; }
unsigned long simt_switches(void) { return nswitch; }
extern "C" void simt_set_order(int o, uint64_t seed) { order = o; rng = seed * 2654435761u + 88172645463325252ull; }
void simt_err(const char* kind, const char* fmt, ...)
{
    if (!strstr(lastkind, kind) && strlen(lastkind) + strlen(kind) + 2 < sizeof lastkind) { if (lastkind[0]) strcat(lastkind, ","); strcat(lastkind, kind); }
    if (nerr++ >= 3) return;
    char b[700]; va_list a; va_start(a, fmt); vsnprintf(b, sizeof b, fmt, a); va_end(a);
    fprintf(stderr, "simt: %s: %s", kind, b);
    if (simt_cur && simt_cur != &mainthr)
        fprintf(stderr, " [block (%u,%u,%u) thread (%u,%u,%u)]", simt_cur->bid.x, simt_cur->bid.y, simt_cur->bid.z, simt_cur->tid.x, simt_cur->tid.y, simt_cur->tid.z);
    fputc('\n', stderr);
}

static void pick_and_switch(void);
static void count_traffic(uintptr_t a, unsigned n, bool write);
extern bool simt_watching;
#define watching simt_watching
/* ------------------------------------------------------------------ memory checker (shadow) */
#ifdef SIMT_CHECK
struct Stamp { uint32_t iv, pc, clk; uint16_t thr; uint8_t fl, init; };
struct Cell { Stamp w, r; };                     /* one per 2 bytes of device memory */
enum { F_MASK = 3, F_ATOMIC = 4, F_LANES = 8, F_WARPS = 16, F_BLOCKS = 32, POISON = 0xffffffffu };
static Cell* shadow;
struct IvInfo { uint32_t block, cl, ce; };
struct Rel { uint32_t block, iv, thr; };                  /* what a block published: its intervals < iv, and thread thr's part of iv */
static std::map<uintptr_t, std::vector<Rel>>* rels; static std::map<std::pair<uint32_t, uint32_t>, Rel>* acq; static bool fences;
static std::vector<IvInfo>* ivs; static uint32_t iv_first = 2, iv_next = 2;
extern "C" { extern char __executable_start, _end; }
static void new_iv(simt_block* b) { b->iv = iv_next++; ivs->push_back(IvInfo{b->lin, b->lin / nb, cphase}); }
static void chk_poison(void* p, size_t n) { Cell* c = shadow + ((char*)p - arena) / 2; for (size_t i = 0; i < (n + 1) / 2; i++) c[i].w.iv = POISON; }
static void chk_unpoison(void* p, size_t n, bool init)
{ Cell* c = shadow + ((char*)p - arena) / 2; Cell z; memset(&z, 0, sizeof z); z.w.iv = init; z.w.init = init ? 3 : 0; for (size_t i = 0; i < n / 2; i++) c[i] = z;
  if (n & 1) { c[n / 2] = z; } }
static void where(char* o, size_t n, uint32_t pc)
{
    char cmd[300], ex[200]; snprintf(o, n, "pc 0x%x", pc);
    ssize_t k = readlink("/proc/self/exe", ex, sizeof ex - 1); if (k < 0 || nerr >= 3 || !pc) return; ex[k] = 0;
    snprintf(cmd, sizeof cmd, "addr2line -s -e %s 0x%x 2>/dev/null", ex, pc - 1);
    FILE* f = popen(cmd, "r"); if (f) { if (fgets(o, (int)n, f)) o[strcspn(o, "\n")] = 0; pclose(f); }
}
static inline bool ordered(const Stamp& s, const simt_thread* me)
{
    if (s.iv < iv_first) return true;
    const simt_block* b = me->blk;
    if (s.iv == b->iv) {
        if (s.thr == me->lin && !(s.fl & (F_LANES | F_WARPS | F_BLOCKS))) return true;
        if (s.fl & (F_WARPS | F_BLOCKS)) return false;
        return (s.thr >> 5) == me->warp && me->vc[s.thr & 31] > s.clk;
    }
    const IvInfo& I = (*ivs)[s.iv - iv_first];
    if (I.block == b->lin) return !(s.fl & F_BLOCKS);
    if (I.cl == b->lin / nb && I.ce < cphase) return true;
    if (fences) { auto it = acq->find({b->lin, I.block}); if (it != acq->end()) { const Rel& q = it->second; return s.iv < q.iv || (s.iv == q.iv && s.thr == q.thr && !(s.fl & (F_LANES | F_WARPS | F_BLOCKS))); } }
    return false;
}
static void report_race(const char* what, uintptr_t a, unsigned n, uint32_t pc, const Stamp& s)
{
    char w1[120], w2[120]; where(w1, sizeof w1, pc); where(w2, sizeof w2, s.pc);
    uint32_t bl = s.iv >= iv_first ? (*ivs)[s.iv - iv_first].block : 0;
    simt_err("race", "%s of %u bytes at %s%+ld, %s, conflicts with an earlier access by block %u thread %u at %s, with no barrier between",
             what, n, a < (uintptr_t)heap ? "shared" : "global", (long)(a - (uintptr_t)(a < (uintptr_t)heap ? arena : heap)), w1, bl, s.thr, w2);
}
static void slow_other(uintptr_t a, unsigned n, bool wr, uint32_t pc)
{
    simt_thread* me = simt_cur;
    if (me == &mainthr || !me) return;
    if (a >= (uintptr_t)me->stack_lo && a < (uintptr_t)me->stack_hi) return;
    if (a >= (uintptr_t)&__executable_start && a < (uintptr_t)&_end) return;
    if (a >= (uintptr_t)g_ctx && a < (uintptr_t)g_ctx + 4096) return;   /* kernel arguments */
    char w[120]; where(w, sizeof w, pc);
    simt_err("illegal-address", "%s of %u bytes at %p, %s: not device memory", wr ? "write" : "read", n, (void*)a, w);
    g_abandon = true; pick_and_switch();          /* the access would fault: give the launch up, back to the host */
}
static void chk(uintptr_t a, unsigned n, unsigned kind /*0 r,1 w,2 atomic*/, uint32_t pc, bool aligned)
{
    uintptr_t off = a - (uintptr_t)arena;
    if (off >= ARENA) { slow_other(a, n, kind, pc); return; }
    simt_thread* me = simt_cur;
    char wb[120];
    if (watching && me != &mainthr) count_traffic(a, n, kind != 0);
    if (me == &mainthr) { where(wb, sizeof wb, pc); simt_err("host-deref", "host code %s device memory, %s", kind ? "writes" : "reads", wb); return; }
    if (aligned && (a & (n - 1))) { where(wb, sizeof wb, pc); simt_err("misaligned", "%u-byte access at address %% %u = %u, %s", n, n, (unsigned)(a & (n - 1)), wb); }
    simt_block* owner = 0; simt_block* b = me->blk;
    if (a < (uintptr_t)heap) { unsigned r = (unsigned)(off / SH_STRIDE); owner = r < nb ? B[r] : 0;
        if (owner && owner != b && !owner->live) { where(wb, sizeof wb, pc); simt_err("dsmem-exited", "access to shared memory of block rank %u, which has exited, %s", r, wb); return; } }
    uintptr_t end = off + n;
    for (uintptr_t o = off; o < end;) {
        Cell& c = shadow[o >> 1]; unsigned m = (o & 1) ? 2u : (o + 1 < end ? 3u : 1u); o = (o | 1) + 1;
        if (c.w.iv == POISON) { where(wb, sizeof wb, pc); simt_err("out-of-bounds", "%s of %u bytes at %s%+ld, %s", kind ? "write" : "read", n, owner ? "shared" : "global", (long)(owner ? off % SH_STRIDE : a - (uintptr_t)heap), wb); return; }
        if (owner) { if (c.w.iv < owner->iv0) { c.w.iv = 0; c.w.init = 0; c.w.fl = 0; } if (c.r.iv < owner->iv0) { c.r.iv = 0; c.r.fl = 0; } }
        if (kind != 1 && (c.w.init & m) != m) {
            where(wb, sizeof wb, pc); simt_err("uninitialised", "read of %u bytes of %s%+ld never written, %s", n, owner ? "shared" : "global", (long)(owner ? off % SH_STRIDE : a - (uintptr_t)heap), wb); c.w.init |= m; }
        if ((c.w.fl & m) && !ordered(c.w, me) && !(kind == 2 && (c.w.fl & F_ATOMIC))) { report_race(kind ? (kind == 2 ? "atomic" : "write") : "read", a, n, pc, c.w); return; }
        if (kind) {
            if ((c.r.fl & m) && !ordered(c.r, me)) { report_race(kind == 2 ? "atomic" : "write", a, n, pc, c.r); return; }
            c.w.iv = b->iv; c.w.pc = pc; c.w.clk = me->clk; c.w.thr = me->lin; c.w.fl = (uint8_t)(m | (kind == 2 ? (unsigned)F_ATOMIC : 0u)); c.w.init |= m;
        } else {
            uint8_t fl = (uint8_t)m;
            if (c.r.iv == b->iv && (c.r.thr != me->lin || (c.r.fl & (F_LANES | F_WARPS)))) {     /* several readers this phase */
                fl |= c.r.fl;
                if (c.r.thr != me->lin && !((c.r.thr >> 5) == me->warp && me->vc[c.r.thr & 31] > c.r.clk)) fl |= (c.r.thr >> 5) == me->warp ? F_LANES : F_WARPS;
            } else if (c.r.iv >= iv_first && !ordered(c.r, me)) fl |= c.r.fl | F_BLOCKS;
            c.r.iv = b->iv; c.r.pc = pc; c.r.clk = me->clk; c.r.thr = me->lin; c.r.fl = fl;
        }
    }
}
#define PC ((uint32_t)(uintptr_t)__builtin_return_address(0))
extern "C" {
void __tsan_init(void) {} void __tsan_func_entry(void*) {} void __tsan_func_exit(void) {}
#define RW(n) void __tsan_read##n(void* p) { chk((uintptr_t)p, n, 0, PC, true); } void __tsan_write##n(void* p) { chk((uintptr_t)p, n, 1, PC, true); } \
  void __tsan_unaligned_read##n(void* p) { chk((uintptr_t)p, n, 0, PC, false); } void __tsan_unaligned_write##n(void* p) { chk((uintptr_t)p, n, 1, PC, false); } \
  void __tsan_volatile_read##n(void* p) { chk((uintptr_t)p, n, 0, PC, true); } void __tsan_volatile_write##n(void* p) { chk((uintptr_t)p, n, 1, PC, true); }
RW(1) RW(2) RW(4) RW(8) RW(16)
void __tsan_read_range(void* p, unsigned long n) { chk((uintptr_t)p, (unsigned)n, 0, PC, false); }
void __tsan_write_range(void* p, unsigned long n) { chk((uintptr_t)p, (unsigned)n, 1, PC, false); }
void __tsan_vptr_update(void**, void*) {} void __tsan_vptr_read(void**) {}
}
static void maybe_yield(void);
void simt_fence(void) { if (simt_cur->blk) { simt_cur->fence_iv = simt_cur->blk->iv; fences = true; } }
void simt_atomic_hook(void* p, unsigned n)
{
    chk((uintptr_t)p, n, 2, PC, true);
    if (fences) {
        simt_thread* t = simt_cur; std::vector<Rel>& v = (*rels)[(uintptr_t)p];
        for (const Rel& q : v) if (q.block != t->blk->lin) { Rel& a = (*acq)[{t->blk->lin, q.block}]; if (q.iv >= a.iv) a = q; }
        if (t->fence_iv == t->blk->iv) { bool f = false; for (Rel& q : v) if (q.block == t->blk->lin) { q.iv = t->blk->iv; q.thr = t->lin; f = true; } if (!f) v.push_back(Rel{t->blk->lin, t->blk->iv, t->lin}); }
    }
    maybe_yield();
}
#else
static void maybe_yield(void); void simt_fence(void) {}
static inline void new_iv(simt_block*) {}
static inline void chk_poison(void* p, size_t n) {
#ifdef SIMT_ASAN
    __asan_poison_memory_region(p, n);
#else
    (void)p; (void)n;
#endif
}
static inline void chk_unpoison(void* p, size_t n, bool) {
#ifdef SIMT_ASAN
    __asan_unpoison_memory_region(p, n);
#else
    (void)p; (void)n;
#endif
}
void simt_atomic_hook(void* p, unsigned n) { if ((uintptr_t)p & (n - 1)) simt_err("misaligned", "atomic at %p", p); maybe_yield(); }
#endif

/* ------------------------------------------------------------------ fibers */
extern "C" void simt_switch(void** save, void* to);
asm(".text\n.globl simt_switch\n.type simt_switch,@function\nsimt_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp,(%rdi)\nmovq %rsi,%rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n.size simt_switch,.-simt_switch\n");
[[maybe_unused]] static inline FX& fxof(simt_thread* t) { return t == &mainthr ? fx[MAXB * MAXT] : fx[t->blk->rank * MAXT + t->lin]; }
static inline void switch_to(simt_thread* n)
{
    simt_thread* c = simt_cur; simt_cur = n; nswitch++;
#ifdef SIMT_ASAN
    __sanitizer_start_switch_fiber(&fxof(c).fake, n->stack_lo, (char*)n->stack_hi - (char*)n->stack_lo);
#endif
#ifdef SIMT_TSAN
    __tsan_switch_to_fiber(fxof(n).tsan, 1);
#endif
    simt_switch(&c->sp, n->sp);
#ifdef SIMT_ASAN
    __sanitizer_finish_switch_fiber(fxof(c).fake, 0, 0);
#endif
}
static void block_done(simt_block*);
static void pick_and_switch(void)
{
    simt_thread* c = simt_cur; simt_block* b = c->blk;
    if (g_abandon) { switch_to(&mainthr); return; }
    if (order == 2 && (rnd() & 3) == 0) b = B[rnd() % nb];
    for (unsigned k = 0; k < nb; k++) {
        unsigned wr = b->warps_run;
        if (wr) {
            unsigned wi;
            if (order == 0) { wi = (b == c->blk) ? c->warp : 0; if (!((wr >> wi) & 1)) { unsigned hi = wr & ~((2u << wi) - 1u); wi = (unsigned)__builtin_ctz(hi ? hi : wr); } }
            else if (order == 1) wi = 31u - (unsigned)__builtin_clz(wr);
            else { wi = rnd() & 31; unsigned r = (wr >> wi) | (wi ? wr << (32 - wi) : 0); wi = (wi + (unsigned)__builtin_ctz(r)) & 31; }
            unsigned m = b->w[wi].run, li;
            if (order == 0) { li = c->lane; unsigned hi = (b == c->blk && wi == c->warp) ? m & ~((2u << li) - 1u) : m; li = (unsigned)__builtin_ctz(hi ? hi : m); }
            else if (order == 1) li = 31u - (unsigned)__builtin_clz(m);
            else { li = rnd() & 31; unsigned r = (m >> li) | (li ? m << (32 - li) : 0); li = (li + (unsigned)__builtin_ctz(r)) & 31; }
            simt_thread* n = &b->t[wi * 32 + li];
            if (n != c) switch_to(n);
            return;
        }
        b = B[(b->rank + 1) % nb];
    }
    switch_to(&mainthr);   /* nothing can run: finished, or deadlock */
}
/* a thread that spins on an atomic must let others run */
static void maybe_yield(void)
{
    static simt_thread* last; static unsigned n;
    if (last != simt_cur) { last = simt_cur; n = 0; } else if (++n > 5000) { n = 0; int o = order; order = 2; pick_and_switch(); order = o; }
}
static inline void sleep_(simt_thread* t, int st) { Warp& w = t->blk->w[t->warp]; t->state = (uint8_t)st; w.run &= ~(1u << t->lane); if (!w.run) t->blk->warps_run &= ~(1u << t->warp); }
static inline void wake(simt_thread* t) { Warp& w = t->blk->w[t->warp]; t->state = RUN; w.run |= 1u << t->lane; t->blk->warps_run |= 1u << t->warp; }
static void coll_check(simt_block* b, Warp& w, Coll& c, unsigned wi)
{
    if (!c.mask || c.arrived != (c.mask & w.exist & ~w.exited)) return;
    for (unsigned m = c.arrived; m; m &= m - 1) { simt_thread* t = &b->t[wi * 32 + (unsigned)__builtin_ctz(m)]; if (t->state == WARP) wake(t); }
    c.left = c.arrived;
    if (c.mask & w.exist & w.exited) simt_err("exited-in-mask", "%s:%d: warp operation with mask %08x, but lanes %08x have returned", c.f, c.l, c.mask, c.mask & w.exist & w.exited);
#ifdef SIMT_CHECK
    if (c.op == 0) {
        for (unsigned m = c.arrived; m; m &= m - 1) { simt_thread* t = &b->t[wi * 32 + (unsigned)__builtin_ctz(m)];
            for (unsigned k = c.arrived; k; k &= k - 1) { unsigned j = (unsigned)__builtin_ctz(k); simt_thread* u = &b->t[wi * 32 + j]; if (u->clk + 1 > t->vc[j]) t->vc[j] = u->clk + 1; } }
        for (unsigned m = c.arrived; m; m &= m - 1) b->t[wi * 32 + (unsigned)__builtin_ctz(m)].clk++;
    }
#endif
}
static void bar_release(simt_block* b)
{
    if (b->live != b->nthr) simt_err("exited-barrier", "%s:%d: __syncthreads passed by %u threads of block %u, %u had already returned", b->bf, b->bl, b->arrived, b->lin, b->nthr - b->live);
    b->arrived = 0; b->phase++; b->bf = 0;
    for (int i = 0; i < 3; i++) b->redres[i] = b->redacc[i];
    b->redacc[0] = 0; b->redacc[1] = 1; b->redacc[2] = 0;
    new_iv(b);
    for (unsigned i = 0; i < b->nthr; i++) if (b->t[i].state == BAR) wake(&b->t[i]);
}
static void cbar_release(const char* f, int l)
{
    unsigned tot = 0; for (unsigned r = 0; r < nb; r++) tot += B[r]->nthr;
    if (cl_live != tot) simt_err("exited-barrier", "%s:%d: cluster.sync passed after %u threads had returned", f, l, tot - cl_live);
    cl_arrived = 0; cphase++;
    for (unsigned r = 0; r < nb; r++) { new_iv(B[r]); for (unsigned i = 0; i < B[r]->nthr; i++) if (B[r]->t[i].state == CBAR) wake(&B[r]->t[i]); }
}
static void thread_exit(simt_thread* t)
{
    simt_cpq* q = &cpq[t->blk->rank][t->lin]; if (q->n) simt_err("cp-async-pending", "%d asynchronous copies never waited for", q->n); q->n = q->grp = 0;
    simt_block* b = t->blk; Warp& w = b->w[t->warp]; sleep_(t, DONE); w.exited |= 1u << t->lane; b->live--; cl_live--;
    for (unsigned i = 0; i < w.hi; i++) if (w.c[i].mask && !w.c[i].left) coll_check(b, w, w.c[i], t->warp);
    if (b->live && b->arrived == b->live) bar_release(b);
    if (cl_live && cl_arrived == cl_live) cbar_release("cluster", 0);
    if (!b->live) block_done(b);
}
static void fiber_main(void)
{
    for (;;) {
#ifdef SIMT_TSAN
        __tsan_acquire(&g_call);
#endif
        g_call(g_ctx);
#ifdef SIMT_TSAN
        __tsan_release(&g_ctx);
#endif
        thread_exit(simt_cur);
        pick_and_switch();
    }
}
static void fiber_entry(void)
{
#ifdef SIMT_ASAN
    __sanitizer_finish_switch_fiber(0, 0, 0);
#endif
    fiber_main();
}
static void fiber_init(simt_thread* t)
{
    if (!t->stack_lo) {
        char* p = (char*)mmap(0, STACK + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (p == MAP_FAILED) { perror("simt: stack"); abort(); }
        mprotect(p, 4096, PROT_NONE); t->stack_lo = p + 4096; t->stack_hi = p + 4096 + STACK;
    }
#ifdef SIMT_ASAN
    __asan_unpoison_memory_region(t->stack_lo, STACK);
#endif
    void** s = (void**)((char*)t->stack_hi - 128 - (t->lin % 61) * 64);   /* stagger: avoid cache-set aliasing of equal stack tops */
    *--s = 0; *--s = (void*)fiber_entry; for (int i = 0; i < 6; i++) *--s = 0;
    t->sp = s;
}

/* ------------------------------------------------------------------ services called by kernels */
static void smem_setup(simt_block* b)
{
#ifdef SIMT_TSAN
    return;
#endif
    for (Slot& s : *slots) { memset(b->smem + s.off, 0xff, s.n); }
    if (g_dyn) memset(b->smem + DYN_OFF, 0xff, g_dyn);
}
void* simt_shared_get(simt_slot* s, size_t n, size_t al, const char* name)
{
    if (s->launch != cur_launch) {
        if (al < 16) al = 16;
        slot_top = (uint32_t)((slot_top + al - 1) / al * al);
        s->off = slot_top; s->launch = cur_launch; slot_top += (uint32_t)n + 64; slot_bytes += n;
        slots->push_back(Slot{s, s->off, n, name});
        if (slot_bytes > 48 * 1024) simt_err("smem-limit", "static shared memory %zu > 48 KiB at %s", slot_bytes, name);
        for (unsigned r = 0; r < MAXB; r++) if (B[r]) { chk_unpoison(B[r]->smem + s->off, n, false);
#ifndef SIMT_TSAN
            memset(B[r]->smem + s->off, 0xff, n);
#endif
        }
    }
    return simt_cur->blk->smem + s->off;
}
void* simt_dyn_get(void) { return simt_cur->blk->smem + DYN_OFF; }
static int sync_common(const char* f, int l)
{
    simt_thread* t = simt_cur; simt_block* b = t->blk;
    if (!b->arrived) { b->bf = f; b->bl = l; }
    else if (b->bl != l || b->bf != f) { if (strcmp(b->bf ? b->bf : "", f) || b->bl != l) simt_err("divergent-barrier", "__syncthreads at %s:%d while other threads of the block wait at line %d", f, l, b->bl); }
#ifdef SIMT_TSAN
    __tsan_release(b);
#endif
    b->arrived++;
    if (b->arrived == b->live) bar_release(b);
    else { t->wfile = f; t->wline = l; t->wwhat = "__syncthreads"; sleep_(t, BAR); pick_and_switch(); }
#ifdef SIMT_TSAN
    __tsan_acquire(b);
#endif
    return 0;
}
void simt_syncthreads(const char* f, int l) { sync_common(f, l); }
int simt_sync_red(int p, int op, const char* f, int l)
{ simt_block* b = simt_cur->blk; b->redacc[0] |= !!p; b->redacc[1] &= !!p; b->redacc[2] += !!p; sync_common(f, l); return b->redres[op]; }
void simt_cluster_sync(const char* f, int l)
{
    simt_thread* t = simt_cur;
#ifdef SIMT_TSAN
    __tsan_release(&cl_arrived);
#endif
    cl_arrived++;
    if (cl_arrived == cl_live) cbar_release(f, l);
    else { t->wfile = f; t->wline = l; t->wwhat = "cluster.sync"; sleep_(t, CBAR); pick_and_switch(); }
#ifdef SIMT_TSAN
    __tsan_acquire(&cl_arrived);
#endif
}
unsigned simt_cluster_rank(void) { return simt_cur->blk->rank; }
unsigned simt_cluster_size(void) { return nb; }
void* simt_map_rank(const void* p, unsigned r)
{
    simt_block* b = simt_cur->blk; ptrdiff_t o = (const char*)p - b->smem;
    if (o < 0 || o >= SH_STRIDE) { simt_err("map-rank", "pointer is not in this block's shared memory"); return (void*)p; }
    if (r >= nb) { simt_err("map-rank", "rank %u of a cluster of %u", r, nb); return (void*)p; }
    return B[r]->smem + o;
}
const void* simt_warp_xchg(unsigned mask, int op, const void* v, unsigned n, unsigned* arr, const char* f, int l)
{
    simt_thread* t = simt_cur; Warp& w = t->blk->w[t->warp]; const unsigned me = 1u << t->lane; Coll* c = 0; Coll* fr = 0;
    if (!(mask & me)) simt_err("warp-mask", "%s:%d: lane %u is not in its own mask %08x", f, l, t->lane, mask), mask |= me;
    for (unsigned i = 0; i < w.hi; i++) { Coll& q = w.c[i]; if (!q.mask) { if (!fr) fr = &q; } else if (q.mask == mask && !q.left && !(q.arrived & me)) { c = &q; break; } }
    if (!c) { c = fr ? fr : w.hi < 40 ? &w.c[w.hi++] : 0; if (!c) { simt_err("internal", "too many pending warp operations"); abort(); } c->mask = mask; c->arrived = c->left = 0; c->op = op; c->f = f; c->l = l; }
    else if (c->op != op) simt_err("divergent-warp", "%s:%d: warp operation meets a different one from line %d", f, l, c->l);
    memcpy(c->v[t->lane], v, n); c->arrived |= me;
#ifdef SIMT_TSAN
    if (op == 0) __tsan_release(c);
#endif
    coll_check(t->blk, w, *c, t->warp);
    if (!c->left) { t->wfile = f; t->wline = l; t->wwhat = "a warp operation"; sleep_(t, WARP); pick_and_switch(); }
#ifdef SIMT_TSAN
    if (op == 0) __tsan_acquire(c);
#endif
    *arr = c->arrived; c->left &= ~me;
    if (!c->left) c->mask = 0;     /* last reader: slot is free; its bytes stay until the next deposit */
    return c->v;
}

/* ------------------------------------------------------------------ launch */
static void init(void)
{
    if (arena) return;
    void* want = (void*)0x200000000000ull;
#ifdef SIMT_TSAN
    want = 0;
#endif
    arena = (char*)mmap(want, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena == MAP_FAILED) { perror("simt: arena"); abort(); }
    heap = heap_top = arena + (size_t)MAXB * SH_STRIDE; heap_end = arena + ARENA;
#ifdef SIMT_CHECK
    shadow = (Cell*)mmap(0, ARENA * (sizeof(Cell) / 2), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shadow == MAP_FAILED) { perror("simt: shadow"); abort(); }
    ivs = new std::vector<IvInfo>; rels = new std::map<uintptr_t, std::vector<Rel>>; acq = new std::map<std::pair<uint32_t, uint32_t>, Rel>;
    chk_poison(heap, 4096);
#elif defined(SIMT_ASAN)
    __asan_poison_memory_region(arena, 64 << 20);
#endif
    slots = new std::vector<Slot>; simt_cur = &mainthr; mainthr.blk = 0;
#ifdef SIMT_ASAN
    { pthread_attr_t a; void* lo; size_t sz; pthread_getattr_np(pthread_self(), &a); pthread_attr_getstack(&a, &lo, &sz); mainthr.stack_lo = lo; mainthr.stack_hi = (char*)lo + sz; pthread_attr_destroy(&a); }
#endif
#ifdef SIMT_TSAN
    fx[MAXB * MAXT].tsan = __tsan_get_current_fiber();
#endif
    const char* e = getenv("SIMT_ORDER"); if (e) order = atoi(e);
    e = getenv("SIMT_SEED"); if (e) { rng += strtoull(e, 0, 10) * 0x9e3779b97f4a7c15ull; for (int i = 0; i < 8; i++) rnd(); }
}
static void block_done(simt_block*) {}
static void block_start(unsigned r, unsigned lin, dim3 g, unsigned nthr)
{
    simt_block* b = B[r];
    b->rank = r; b->lin = lin; b->idx = uint3{lin % g.x, lin / g.x % g.y, lin / g.x / g.y};
    b->nthr = b->live = nthr; b->arrived = 0; b->bf = 0; b->phase = 0; b->nwarps = (nthr + 31) / 32; b->redacc[0] = 0; b->redacc[1] = 1; b->redacc[2] = 0;
    smem_setup(b); new_iv(b); b->iv0 = b->iv;
    b->warps_run = b->nwarps == 32 ? ~0u : (1u << b->nwarps) - 1u;
    for (unsigned i = 0; i < b->nwarps; i++) { Warp& w = b->w[i]; unsigned k = nthr - i * 32; w.exist = k >= 32 ? ~0u : (1u << k) - 1u; w.run = w.exist; w.exited = 0; w.hi = 0; }
    for (unsigned i = 0; i < nthr; i++) {
        simt_thread* t = &b->t[i]; t->blk = b; t->bid = b->idx; t->state = RUN;
        if (dirty[r][i]) { cpq[r][i].n = cpq[r][i].grp = 0; t->lin = (uint16_t)i; t->lane = i & 31; t->warp = (uint8_t)(i >> 5); fiber_init(t); dirty[r][i] = false; }
        t->tid = uint3{i % simt_blockDim.x, i / simt_blockDim.x % simt_blockDim.y, i / simt_blockDim.x / simt_blockDim.y};
#ifdef SIMT_CHECK
        t->clk = 0; memset(t->vc, 0, sizeof t->vc);
#endif
    }
}
static void deadlock(void)
{
    for (unsigned r = 0; r < nb; r++) {
        simt_block* b = B[r]; unsigned ex = 0; std::map<std::pair<const char*, int>, unsigned> at; std::map<std::pair<const char*, int>, const char*> wh;
        for (unsigned i = 0; i < b->nthr; i++) { simt_thread* t = &b->t[i]; if (t->state == DONE) ex++; else { at[{t->wfile, t->wline}]++; wh[{t->wfile, t->wline}] = t->wwhat; } }
        char m[400]; int k = snprintf(m, sizeof m, "block %u is stuck: %u threads returned", b->lin, ex);
        for (auto& p : at) k += snprintf(m + k, k < 380 ? sizeof m - (size_t)k : 0, ", %u at %s %s:%d", p.second, wh[p.first], p.first.first, p.first.second);
        if (ex != b->nthr) simt_err("deadlock", "%s", m);
    }
}
int simt_run(void (*call)(void*), void* ctx, dim3 g, dim3 bd, size_t smem, unsigned cluster)
{
    init();
    unsigned nthr = bd.x * bd.y * bd.z; if (!cluster) cluster = 1;
    if (nthr == 0 || nthr > MAXT || bd.z > 64 || g.x == 0 || g.y == 0 || g.z == 0 || g.y > 65535 || g.z > 65535 || smem > SMEM_MAX || cluster > MAXB || g.x % cluster) {
        simt_err("launch", "invalid configuration grid (%u,%u,%u) block (%u,%u,%u) smem %zu cluster %u", g.x, g.y, g.z, bd.x, bd.y, bd.z, smem, cluster); return cudaErrorInvalidConfiguration; }
    g_call = call; g_ctx = ctx; g_dyn = smem; nb = cluster; cur_launch++; simt_blockDim = bd; simt_gridDim = g; cphase = 0; g_abandon = false; int e0 = nerr;
#ifdef SIMT_CHECK
    iv_first = iv_next; ivs->clear(); rels->clear(); acq->clear(); fences = false;
#endif
    for (unsigned r = 0; r < cluster; r++) {
        if (!B[r]) { B[r] = &blocks[r]; B[r]->t = threads[r]; B[r]->smem = arena + (size_t)r * SH_STRIDE; B[r]->rank = r;
            chk_poison(B[r]->smem, SH_STRIDE);
            for (unsigned i = 0; i < MAXT; i++) dirty[r][i] = true; }
        for (Slot& s : *slots) chk_poison(B[r]->smem + s.off, s.n);
        chk_poison(B[r]->smem + DYN_OFF, SMEM_MAX); if (smem) chk_unpoison(B[r]->smem + DYN_OFF, smem, false);
    }
    slots->clear(); slot_top = 0; slot_bytes = 0;
    unsigned nblk = g.x * g.y * g.z;
    for (unsigned i = 0; i < nblk; i += cluster) {
        unsigned first = order == 1 ? nblk - cluster - i : i;
        cl_arrived = 0; cl_live = nthr * cluster; 
        for (unsigned r = 0; r < cluster; r++) block_start(r, first + r, g, nthr);
#ifdef SIMT_TSAN
        for (unsigned r = 0; r < cluster; r++) for (unsigned k = 0; k < nthr; k++) fx[r * MAXT + k].tsan = __tsan_create_fiber(0);
        __tsan_release(&g_call);
#endif
        simt_thread* t0 = &B[0]->t[order == 1 ? nthr - 1 : 0];
        switch_to(t0);
#ifdef SIMT_TSAN
        __tsan_acquire(&g_ctx);
        for (unsigned r = 0; r < cluster; r++) for (unsigned k = 0; k < nthr; k++) __tsan_destroy_fiber(fx[r * MAXT + k].tsan);
#endif
        if (cl_live || g_abandon) { if (!g_abandon) deadlock(); for (unsigned r = 0; r < cluster; r++) for (unsigned k = 0; k < nthr; k++) dirty[r][k] = true; break; }
    }
    if (slot_bytes + smem > SMEM_MAX) simt_err("smem-limit", "static + dynamic shared memory %zu > 227 KiB", slot_bytes + smem);
    return nerr == e0 ? cudaSuccess : cudaErrorLaunchFailure;
}
/* ------------------------------------------------------------------ device heap: bump allocator, freed memory stays poisoned */
static std::map<char*, size_t>* live; static std::map<const void*, int>* maxdyn;
cudaError_t simt_malloc(void** p, size_t n)
{
    init(); if (!live) live = new std::map<char*, size_t>;
    if ((size_t)(heap_end - heap_top) < n + 8192) return cudaErrorMemoryAllocation;
    char* q = heap_top + 256; heap_top = q + ((n + 255) & ~(size_t)255);
    chk_poison(q - 256, 256); chk_unpoison(q, n, false); chk_poison(q + ((n + 1) & ~(size_t)1), (size_t)(heap_top - q) - ((n + 1) & ~(size_t)1) + 512);
#ifdef SIMT_ASAN
    __asan_poison_memory_region(heap_top, 512);
#endif
    memset(q, 0xff, n); (*live)[q] = n; *p = q; return cudaSuccess;
}
cudaError_t cudaFree(void* p) { if (!p) return 0; auto it = live->find((char*)p); if (it == live->end()) { simt_err("bad-free", "%p", p); return 1; } chk_poison(p, it->second); 
    live->erase(it); return 0; }
static void dev_range(const void* p, size_t n, bool wr)
{
    const char* c = (const char*)p; if (c < arena || c >= heap_end) { simt_err("memcpy", "%p is not device memory", p); return; }
    auto it = live->upper_bound((char*)p); if (it == live->begin() || (--it, c + n > it->first + it->second)) { simt_err("memcpy", "copy of %zu bytes runs past the allocation", n); return; }
#ifdef SIMT_CHECK
    if (wr) chk_unpoison((void*)p, n, true);
#else
    (void)wr;
#endif
}
cudaError_t cudaMemcpy(void* d, const void* s, size_t n, cudaMemcpyKind k)
{ if (k == cudaMemcpyHostToDevice || k == cudaMemcpyDeviceToDevice) dev_range(d, n, true); if (k == cudaMemcpyDeviceToHost || k == cudaMemcpyDeviceToDevice) dev_range(s, n, false); memcpy(d, s, n); return 0; }
cudaError_t cudaMemset(void* d, int v, size_t n) { dev_range(d, n, true); memset(d, v, n); return 0; }
cudaError_t simt_set_max_dyn(const void* f, int n) { if (n > SMEM_MAX) return 1; if (!maxdyn) maxdyn = new std::map<const void*, int>; (*maxdyn)[f] = n; return 0; }
int simt_get_max_dyn(const void* f) { if (!maxdyn) return 48 * 1024; auto i = maxdyn->find(f); return i == maxdyn->end() ? 48 * 1024 : i->second; }

bool simt_is_checked(void)
{
#ifdef SIMT_CHECK
    return true;
#else
    return false;
#endif
}

int simt_take_errors(char *kinds, size_t size)
{
    const int n = nerr;

    snprintf(kinds, size, "%s", lastkind);
    nerr = 0;
    lastkind[0] = 0;
    return n;
}

static struct { uintptr_t begin, end; SimtTraffic seen; } watches[SIMT_WATCHES];
bool simt_watching;

void simt_watch(int slot, const void *p, size_t bytes)
{
    watches[slot] = { (uintptr_t)p, (uintptr_t)p + bytes, { 0, 0 } };
    watching = true;
}

SimtTraffic simt_watched(int slot)
{
    return watches[slot].seen;
}

[[maybe_unused]] static void count_traffic(uintptr_t a, unsigned n, bool write)
{
    for (int i = 0; i < SIMT_WATCHES; i++)
        if (a >= watches[i].begin && a < watches[i].end)
            (write ? watches[i].seen.written : watches[i].seen.read) += n;
}
