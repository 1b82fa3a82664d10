package identity

import (
	"container/list"
	"sync"
	"time"
)

// cache remembers what is true of a key until a time. The least recently used
// go when it is full. It is safe for concurrent use.
type cache[K comparable, V any] struct {
	size  int
	mu    sync.Mutex
	order *list.List // of *cached, the most recently used first
	items map[K]*list.Element
}

type cached[K comparable, V any] struct {
	key   K
	value V
	until time.Time
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{size: size, order: list.New(), items: map[K]*list.Element{}}
}

func (c *cache[K, V]) get(key K, now time.Time) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		return value, false
	}
	item := e.Value.(*cached[K, V])
	if !now.Before(item.until) {
		c.order.Remove(e)
		delete(c.items, key)
		return value, false
	}
	c.order.MoveToFront(e)
	return item.value, true
}

func (c *cache[K, V]) put(key K, value V, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[key]; ok {
		c.order.Remove(e)
	}
	c.items[key] = c.order.PushFront(&cached[K, V]{key, value, until})
	for len(c.items) > c.size {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.items, last.Value.(*cached[K, V]).key)
	}
}

func (c *cache[K, V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.items)
}
