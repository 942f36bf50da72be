/* Counts what one thread asks of CPython's allocators. Every call is passed on to the allocator of before, so memory may be
   taken before `install` and given back after `restore`, and the other way round. */

#include <Python.h>

/* RAW is left out, because it is used without the GIL; large pieces would be counted twice. */
static const PyMemAllocatorDomain domains[] = {PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
enum { DOMAINS = sizeof domains / sizeof *domains };

static PyMemAllocatorEx before[DOMAINS];
static unsigned long counted_thread;

/* Only the counted thread writes them. */
unsigned long long allocations;
unsigned long long bytes;

static void count(size_t size)
{
    if (PyThread_get_thread_ident() == counted_thread) {
        allocations++;
        bytes += size;
    }
}

static void *counting_malloc(void *context, size_t size)
{
    PyMemAllocatorEx *next = context;
    count(size);
    return next->malloc(next->ctx, size);
}

static void *counting_calloc(void *context, size_t number, size_t size)
{
    PyMemAllocatorEx *next = context;
    count(number * size);
    return next->calloc(next->ctx, number, size);
}

static void *counting_realloc(void *context, void *memory, size_t size)
{
    PyMemAllocatorEx *next = context;
    count(size);
    return next->realloc(next->ctx, memory, size);
}

static void passing_free(void *context, void *memory)
{
    PyMemAllocatorEx *next = context;
    next->free(next->ctx, memory);
}

/* Counts the thread that calls it, from 0. */
void install(void)
{
    counted_thread = PyThread_get_thread_ident();
    allocations = bytes = 0;
    for (int each = 0; each < DOMAINS; each++) {
        PyMem_GetAllocator(domains[each], &before[each]);
        PyMemAllocatorEx counting = {&before[each], counting_malloc, counting_calloc, counting_realloc, passing_free};
        PyMem_SetAllocator(domains[each], &counting);
    }
}

void restore(void)
{
    for (int each = 0; each < DOMAINS; each++)
        PyMem_SetAllocator(domains[each], &before[each]);
}
