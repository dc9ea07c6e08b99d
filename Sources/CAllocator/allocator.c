#include "CAllocator.h"

#include <malloc.h>

void homelab_share_heap(void)
{
    mallopt(M_ARENA_MAX, 1);
}
