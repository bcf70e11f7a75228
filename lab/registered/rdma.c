// SPDX-License-Identifier: GPL-2.0
/* rxe0, RDMA in software: a queue pair writes from a memory region to the same one. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <infiniband/verbs.h>

#include "device.h"
#include "util.h"

#define DEVICE "rxe0"
#define PORT 1

static struct ibv_context *context;
static struct ibv_pd *pd;
static struct ibv_cq *cq;
static struct ibv_qp *qp;
static struct ibv_mr *mr;

/* These return an errno. */
static void need_zero(int error, const char *what)
{
	errno = error;
	need(!error, what);
}

static void open_context(void)
{
	struct ibv_device **list = ibv_get_device_list(NULL), **d;

	need(list != NULL, "ibv_get_device_list");
	for (d = list; *d && !context; d++)
		if (!strcmp(ibv_get_device_name(*d), DEVICE))
			context = ibv_open_device(*d);
	ibv_free_device_list(list);
	need(context != NULL, DEVICE);
}

/* The index of an address of IPv4. */
static int find_gid(union ibv_gid *gid)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };
	int i;

	for (i = 0; !ibv_query_gid(context, PORT, i, gid); i++)
		if (!memcmp(gid->raw, mapped, sizeof(mapped)))
			return i;
	errx(1, DEVICE " has no address");
}

static void connect_to_itself(void)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = PORT,
		.qp_access_flags = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
	};

	need_zero(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				IBV_QP_ACCESS_FLAGS), "queue pair: INIT");
	attr = (struct ibv_qp_attr) {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = IBV_MTU_1024,
		.dest_qp_num = qp->qp_num,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = { .is_global = 1, .port_num = PORT, .grh.hop_limit = 1 },
	};
	attr.ah_attr.grh.sgid_index = find_gid(&attr.ah_attr.grh.dgid);
	need_zero(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
				IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
				IBV_QP_MIN_RNR_TIMER), "queue pair: RTR");
	attr = (struct ibv_qp_attr) {
		.qp_state = IBV_QPS_RTS,
		.timeout = 14,
		.retry_cnt = 7,
		.rnr_retry = 7,
		.max_rd_atomic = 1,
	};
	need_zero(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
				IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC),
		  "queue pair: RTS");
}

static void rdma_open(void)
{
	struct ibv_qp_init_attr init = {
		.cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
		.qp_type = IBV_QPT_RC,
	};

	open_context();
	pd = ibv_alloc_pd(context);
	need(pd != NULL, "ibv_alloc_pd");
	cq = ibv_create_cq(context, 1, NULL, NULL, 0);
	need(cq != NULL, "ibv_create_cq");
	init.send_cq = cq;
	init.recv_cq = cq;
	qp = ibv_create_qp(pd, &init);
	need(qp != NULL, "ibv_create_qp");
	connect_to_itself();
}

static int rdma_give(void *p, size_t len)
{
	mr = ibv_reg_mr(pd, p, len, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	return mr ? 0 : -errno;
}

static void rdma_copy(size_t from, size_t to)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)mr->addr + from,
		.length = COPIED,
		.lkey = mr->lkey,
	};
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = (uintptr_t)mr->addr + to, .rkey = mr->rkey },
	};
	double end = seconds() + 10;
	struct ibv_wc wc;
	int n;

	need_zero(ibv_post_send(qp, &wr, &bad), "ibv_post_send");
	while (!(n = ibv_poll_cq(cq, 1, &wc)) && seconds() < end)
		usleep(1000);
	if (n != 1)
		errx(1, "the device does not finish");
	if (wc.status != IBV_WC_SUCCESS)
		errx(1, "RDMA: %s", ibv_wc_status_str(wc.status));
}

static void rdma_take_back(void)
{
	need_zero(ibv_dereg_mr(mr), "ibv_dereg_mr");
}

static void rdma_close(void)
{
	ibv_destroy_qp(qp);
	ibv_destroy_cq(cq);
	/* fails if there is a memory region, which goes with the context */
	ibv_dealloc_pd(pd);
	ibv_close_device(context);
	context = NULL;
}

const struct device rdma_device = {
	.open = rdma_open,
	.give = rdma_give,
	.copy = rdma_copy,
	.take_back = rdma_take_back,
	.close = rdma_close,
};
