/* SPDX-License-Identifier: GPL-2.0 */
/* famfs: trace events */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM famfs

#if !defined(_TRACE_FAMFS_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_FAMFS_H

#include <linux/dax.h>
#include <linux/mm.h>
#include <linux/tracepoint.h>

TRACE_DEFINE_ENUM(FAMFS_MAP_EVEN);
TRACE_DEFINE_ENUM(FAMFS_MAP_UNEVEN);
TRACE_DEFINE_ENUM(FAMFS_MAP_INTERLEAVED);

TRACE_EVENT(famfs_map_attach,
	TP_PROTO(const struct inode *inode, const struct famfs_map *map),
	TP_ARGS(inode, map),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, nodeid)
		__field(u64, size)
		__field(u32, nextents)
		__field(u32, nstrips)
		__field(u8, ndevs)
		__field(u8, kind)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->nodeid = get_node_id((struct inode *)inode);
		__entry->size = map->size;
		__entry->nextents = map->nextents;
		__entry->nstrips = map->nstrips;
		__entry->ndevs = map->nclaims;
		__entry->kind = map->kind;
	),
	TP_printk("dev %u:%u nodeid %llu size %llu %s extents %u strips %u devices %u",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->nodeid,
		  __entry->size,
		  __print_symbolic(__entry->kind,
				   { FAMFS_MAP_EVEN, "even" },
				   { FAMFS_MAP_UNEVEN, "uneven" },
				   { FAMFS_MAP_INTERLEAVED, "interleaved" }),
		  __entry->nextents, __entry->nstrips, __entry->ndevs)
);

DECLARE_EVENT_CLASS(famfs_map_end,
	TP_PROTO(const struct inode *inode),
	TP_ARGS(inode),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, nodeid)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->nodeid = get_node_id((struct inode *)inode);
	),
	TP_printk("dev %u:%u nodeid %llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->nodeid)
);

/* The server has retired the map. */
DEFINE_EVENT(famfs_map_end, famfs_map_retire,
	TP_PROTO(const struct inode *inode),
	TP_ARGS(inode)
);

/* Access to the file fails until it has a new map. */
DEFINE_EVENT(famfs_map_end, famfs_map_stale,
	TP_PROTO(const struct inode *inode),
	TP_ARGS(inode)
);

DECLARE_EVENT_CLASS(famfs_dev,
	TP_PROTO(const struct famfs_dev *dev, u64 offset, u64 len),
	TP_ARGS(dev, offset, len),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u32, index)
		__field(u64, offset)
		__field(u64, len)
		__string(name, fs_dax_name(dev->dax_dev))
	),
	TP_fast_assign(
		__entry->dev = dev->conn->fc->dev;
		__entry->index = dev->index;
		__entry->offset = offset;
		__entry->len = len;
		__assign_str(name);
	),
	TP_printk("dev %u:%u index %u %s offset %#llx length %#llx",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->index,
		  __get_str(name), __entry->offset, __entry->len)
);

/* The connection holds the device from now on. */
DEFINE_EVENT(famfs_dev, famfs_dev_hold,
	TP_PROTO(const struct famfs_dev *dev, u64 offset, u64 len),
	TP_ARGS(dev, offset, len)
);

/* A part of its memory has failed. */
DEFINE_EVENT(famfs_dev, famfs_dev_failure,
	TP_PROTO(const struct famfs_dev *dev, u64 offset, u64 len),
	TP_ARGS(dev, offset, len)
);

/* Its driver is being unbound, or the device removed. */
DEFINE_EVENT(famfs_dev, famfs_dev_gone,
	TP_PROTO(const struct famfs_dev *dev, u64 offset, u64 len),
	TP_ARGS(dev, offset, len)
);

TRACE_EVENT(famfs_fault,
	TP_PROTO(const struct inode *inode, const struct vm_fault *vmf,
		 unsigned int order, vm_fault_t result),
	TP_ARGS(inode, vmf, order, result),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, nodeid)
		__field(unsigned long, address)
		__field(pgoff_t, pgoff)
		__field(unsigned int, order)
		__field(unsigned int, flags)
		__field(unsigned int, result)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->nodeid = get_node_id((struct inode *)inode);
		__entry->address = vmf->address;
		__entry->pgoff = vmf->pgoff;
		__entry->order = order;
		__entry->flags = vmf->flags;
		__entry->result = (__force unsigned int)result;
	),
	TP_printk("dev %u:%u nodeid %llu address %#lx pgoff %#lx order %u %s %s",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->nodeid,
		  __entry->address, __entry->pgoff, __entry->order,
		  __print_flags(__entry->flags, "|", FAULT_FLAG_TRACE),
		  __print_flags(__entry->result, "|", VM_FAULT_RESULT_TRACE))
);

#endif /* _TRACE_FAMFS_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE famfs_trace
#include <trace/define_trace.h>
