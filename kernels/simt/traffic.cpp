/*
 * traffic.cpp - counts what kernels ask of memory, request by request.
 *
 * A request is one instruction of a warp.  The checked build is told of every
 * lane's access by itself; the n-th time that lanes of a warp come to the same
 * instruction between two barriers, they are taken to come together.
 *
 *   global   A request asks L1 for 128-byte lines, one a cycle, and L2 for the
 *            32-byte sectors in them that L1 does not hold: here, all of them.
 *   shared   32 banks of 4 bytes give one word each a cycle, a wavefront.  16
 *            bytes a lane are served to 8 lanes at a time, 8 bytes to 16.
 *
 * Distinct sectors are what a launch must bring from memory, or from L2, if L1
 * and L2 never lose one.
 */
#include "kernels/simt/traffic.h"

#include <string.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

static const unsigned LINE = 128, BANKS = 32, WIDEST = 16, WORD = 4, HALF = 2;
static const int SECTOR = 32;

bool traffic_counts;

/* ---- requests, as lanes come to them ----------------------------------- */

struct Request {
    uintptr_t at[LANES];
    uint32_t mask;
    uint8_t bytes;
};

/* An instruction, as a warp meets it from one barrier to the next. */
struct Site {
    uintptr_t pc;
    AccessKind kind;
    bool shared;
    uint32_t times[LANES]; /* that each lane has come to it */
    std::vector<Request> requests;
};

/* Sites of a warp, kept from block to block, since most come again. */
struct Sites {
    std::unordered_map<uintptr_t, size_t> index;
    std::vector<Site> all;
    size_t last;
};
static Sites sites[MAX_CLUSTER][MAX_WARPS];

static Site &site_of(Sites &s, uintptr_t pc)
{
    if (s.last < s.all.size() && s.all[s.last].pc == pc)
        return s.all[s.last];

    const auto found = s.index.try_emplace(pc, s.all.size());

    if (found.second)
        s.all.push_back({ pc, READ, false, {}, {} });
    s.last = found.first->second;
    return s.all[s.last];
}

/* One access of 1, 2, 4, 8 or 16 bytes. */
static void add_access(uintptr_t at, size_t bytes, AccessKind kind,
                       uintptr_t pc)
{
    const Thread *t = self();
    Site &s = site_of(sites[t->in->rank][t->warp], pc);
    const uint32_t n = s.times[t->lane]++;

    s.kind = kind;
    s.shared = at < (uintptr_t)heap;
    if (n == s.requests.size())
        s.requests.push_back({ {}, 0, (uint8_t)bytes });
    s.requests[n].at[t->lane] = at;
    s.requests[n].mask |= 1u << t->lane;
}

/* A struct is moved by words where it is no vector. */
void traffic_access(uintptr_t at, size_t bytes, AccessKind kind, uintptr_t pc)
{
    if (bytes <= WIDEST && !(bytes & (bytes - 1))) {
        add_access(at, bytes, kind, pc);
        return;
    }
    while (bytes) {
        const size_t part = at % WIDEST == 0 && bytes >= WIDEST ? WIDEST
                            : at % WORD == 0 && bytes >= WORD   ? WORD
                                                                : 1;

        add_access(at, part, kind, pc);
        at += part;
        bytes -= part;
    }
}

/* ---- distinct sectors --------------------------------------------------- */

enum { CHUNK_SECTORS = 64 };

/* Sets of sectors, by chunks of 2 KiB. */
typedef std::unordered_map<uintptr_t, uint64_t> Footprint;
static Footprint read_once, written_once;

/* True if it is new. */
static bool add_sector(Footprint *f, uintptr_t sector)
{
    uint64_t &chunk = (*f)[sector / CHUNK_SECTORS];
    const uint64_t bit = (uint64_t)1 << sector % CHUNK_SECTORS;
    const bool is_new = !(chunk & bit);

    chunk |= bit;
    return is_new;
}

/* ---- what a request costs ---------------------------------------------- */

/* Distinct values of up to N numbers, in order. */
template <int N> struct Few {
    uintptr_t at[N];
    int n = 0;

    void add(uintptr_t v)
    {
        if (!n || at[n - 1] != v)
            at[n++] = v;
    }

    int distinct()
    {
        std::sort(at, at + n);
        n = (int)(std::unique(at, at + n) - at);
        return n;
    }
};

/* Bytes that a request's lanes ask for together, each counted once. */
static int distinct_bytes(const Request &r)
{
    Few<LANES *(WIDEST / HALF)> halves;

    for (uint32_t m = r.mask; m; m &= m - 1)
        for (unsigned b = 0; b < r.bytes; b += HALF)
            halves.add((r.at[__builtin_ctz(m)] + b) / HALF);
    return HALF * halves.distinct();
}

static int wavefronts(const Request &r)
{
    const int together = r.bytes >= 16 ? 8 : r.bytes == 8 ? 16 : LANES;
    int all = 0;

    for (int first = 0; first < LANES; first += together) {
        int in_bank[BANKS] = {}, most = 0;
        Few<LANES> words;

        for (int l = first; l < first + together; l++)
            for (unsigned b = 0; r.mask >> l & 1 && b < r.bytes; b += WORD)
                words.add((r.at[l] + b) / WORD);
        words.distinct();
        for (int i = 0; i < words.n; i++)
            most = std::max(most, ++in_bank[words.at[i] % BANKS]);
        all += most;
    }
    return all;
}

/* ---- sums ---------------------------------------------------------------- */

struct Range {
    uintptr_t begin, end;
};
static std::vector<Range> images;
static std::vector<SimtCounts> launches;

/* State of the launch that runs; its busiest block is known when it is over. */
static struct BlockSum {
    double cycles, rounds;
} of_block[MAX_CLUSTER];

struct PlaceSum {
    bool shared;
    AccessKind kind;
    SimtRequests sum;
};
static std::unordered_map<uintptr_t, PlaceSum> places;

static bool of_images(uintptr_t at)
{
    for (const Range &r : images)
        if (at >= r.begin && at < r.end)
            return true;
    return false;
}

static void add_global(SimtRequests *sum, SimtCounts *c, AccessKind kind,
                       const Request &r)
{
    const bool image = of_images(r.at[__builtin_ctz(r.mask)]);
    Few<LANES> sectors, lines;

    for (uint32_t m = r.mask; m; m &= m - 1) {
        const uintptr_t at = r.at[__builtin_ctz(m)];

        sectors.add(at / SECTOR);
        lines.add(at / LINE);
    }
    sum->units += sectors.distinct();
    sum->ideal += (distinct_bytes(r) + SECTOR - 1) / SECTOR;
    sum->cycles += lines.distinct();
    for (int i = 0; i < sectors.n; i++) {
        double *reads = image ? &c->image_read : &c->weight_read;

        if (kind != WRITE && add_sector(&read_once, sectors.at[i]))
            *reads += SECTOR;
        if (kind != READ && add_sector(&written_once, sectors.at[i]))
            c->written += SECTOR;
    }
}

static void add_shared(SimtRequests *sum, const Request &r)
{
    const int n = wavefronts(r);

    sum->units += n;
    sum->cycles += n;
    sum->ideal += (distinct_bytes(r) + BANKS * WORD - 1) / (BANKS * WORD);
}

static void add_to(SimtRequests *all, const SimtRequests &one)
{
    all->requests += one.requests;
    all->units += one.units;
    all->ideal += one.ideal;
    all->cycles += one.cycles;
}

/* Adds the requests of a site, and forgets them. */
static void settle(Site *s, unsigned rank)
{
    SimtCounts *c = &launches.back();
    SimtRequests sum = {};

    for (const Request &r : s->requests) {
        sum.requests++;
        if (s->shared)
            add_shared(&sum, r);
        else
            add_global(&sum, c, s->kind, r);
    }
    add_to(s->shared          ? &c->shared
           : s->kind == WRITE ? &c->stores
                              : &c->loads,
           sum);
    of_block[rank].cycles += sum.cycles;

    PlaceSum &p = places[s->pc];

    p.shared = s->shared;
    p.kind = s->kind;
    add_to(&p.sum, sum);
    s->requests.clear();
    memset(s->times, 0, sizeof(s->times));
}

void traffic_interval(const Block *b)
{
    bool waited = false;

    for (unsigned w = 0; w * LANES < b->threads; w++)
        for (Site &s : sites[b->rank][w].all) {
            if (s.requests.empty())
                continue;
            waited |= !s.shared && s.kind != WRITE;
            settle(&s, b->rank);
        }
    of_block[b->rank].rounds += waited;
    if (b->live)
        return;

    SimtCounts *c = &launches.back();

    c->block_cycles = std::max(c->block_cycles, of_block[b->rank].cycles);
    c->rounds = std::max(c->rounds, of_block[b->rank].rounds);
    c->cluster_syncs = std::max(c->cluster_syncs, launch.cluster_syncs);
    of_block[b->rank] = {};
}

void traffic_launch(void)
{
    const dim3 g = launch.grid, b = launch.block;
    SimtCounts c = {};

    c.blocks = g.x * g.y * g.z;
    c.threads = b.x * b.y * b.z;
    c.cluster = launch.cluster;
    launches.push_back(c);
    read_once.clear();
    written_once.clear();
    memset(of_block, 0, sizeof(of_block));
}

/* ---- for whoever counts -------------------------------------------------- */

extern "C" void simt_count_start(void)
{
    traffic_counts = true;
    images.clear();
    places.clear();
    simt_count_next();
}

extern "C" void simt_count_stop(void)
{
    traffic_counts = false;
}

extern "C" void simt_count_next(void)
{
    launches.clear();
}

extern "C" void simt_count_images(const void *p, size_t bytes)
{
    images.push_back({ (uintptr_t)p, (uintptr_t)p + bytes });
}

extern "C" const SimtCounts *simt_counted(int i)
{
    return i >= 0 && i < (int)launches.size() ? &launches[(size_t)i] : NULL;
}

/* Requests of a place above its ideal. */
static double excess(const SimtRequests &r)
{
    return r.units - r.ideal;
}

/* Instructions with the most to gain, by line of the source: looking a line up
 * takes a process each, so only of some. */
enum { LOOKED_UP = 48 };

extern "C" int simt_counted_places(SimtPlace *out, int n)
{
    std::vector<std::pair<uintptr_t, PlaceSum>> sites(places.begin(),
                                                      places.end());
    std::vector<SimtPlace> lines;

    std::sort(sites.begin(), sites.end(), [](const auto &a, const auto &b) {
        return excess(a.second.sum) > excess(b.second.sum);
    });
    for (size_t i = 0; i < sites.size() && i < LOOKED_UP; i++) {
        const PlaceSum &site = sites[i].second;
        SimtPlace p = { {}, site.shared, site.kind != READ, {} };

        place_text({ sites[i].first, NULL, 0 }, p.where);

        const auto line = std::find_if(
            lines.begin(), lines.end(), [&](const SimtPlace &other) {
                return !strcmp(other.where, p.where) &&
                       other.shared == p.shared && other.writes == p.writes;
            });

        if (line == lines.end()) {
            p.sum = site.sum;
            lines.push_back(p);
        } else {
            add_to(&line->sum, site.sum);
        }
    }
    std::sort(lines.begin(), lines.end(),
              [](const SimtPlace &a, const SimtPlace &b) {
                  return excess(a.sum) > excess(b.sum);
              });
    n = std::min(n, (int)lines.size());
    std::copy(lines.begin(), lines.begin() + n, out);
    return n;
}
