#ifndef HOMELAB_CALLOCATOR_H
#define HOMELAB_CALLOCATOR_H

/* Lets all threads take memory from one heap. Each would otherwise get its own, and what one has freed the others could not use: a tenth
   of the memory of an agent with a thousand units. To be called before there is a second thread. */
void homelab_share_heap(void);

#endif
