// SPDX-License-Identifier: GPL-2.0
/*
 * The character device of a devdax instance, /dev/daxX.Y.
 *
 * An inode keeps the cdev that it was first opened with, and so does an open
 * file, so the cdev must not come and go with the drivers that bind to the
 * instance. It belongs to the instance instead, and open hands the file over to
 * the file operations of the driver that is bound at that moment.
 *
 * A file stays with the binding that it was opened under. When the driver
 * unbinds, the file and its mappings are dead for good: the next driver sets up
 * the memory in its own way, and the same driver may set it up differently.
 */
#include <linux/cdev.h>
#include <linux/cleanup.h>
#include <linux/dax.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "dax-private.h"

/**
 * struct dax_binding - a driver bound to a devdax instance
 * @ref: held by @dev_dax while the driver is bound, and by every open file, so
 *	that the address identifies the binding
 * @dev_dax: the instance; a file pins it through its cdev
 * @fops: operations of the files; their owner is the driver's module
 */
struct dax_binding {
	refcount_t ref;
	struct dev_dax *dev_dax;
	const struct file_operations *fops;
};

/*
 * Serializes open with bind and unbind. The device lock would make open wait
 * for an unbind, which in turn waits until the memory is no longer in use.
 */
static DEFINE_SPINLOCK(dax_binding_lock);

static void dax_binding_put(struct dax_binding *binding)
{
	if (refcount_dec_and_test(&binding->ref))
		kfree(binding);
}

/* Return: the operations of the driver with a reference, or NULL. */
static const struct file_operations *
dax_binding_get(struct dev_dax *dev_dax, struct dax_binding **binding)
{
	const struct file_operations *fops;

	guard(spinlock)(&dax_binding_lock);
	*binding = dev_dax->binding;
	if (!*binding)
		return NULL;
	fops = fops_get((*binding)->fops);
	if (fops)
		refcount_inc(&(*binding)->ref);
	return fops;
}

static int dax_cdev_open(struct inode *inode, struct file *file)
{
	struct dev_dax *dev_dax =
		container_of(inode->i_cdev, struct dev_dax, cdev);
	const struct file_operations *fops;
	struct dax_binding *binding;
	int rc;

	fops = dax_binding_get(dev_dax, &binding);
	if (!fops)
		return -ENXIO;

	file->private_data = binding;
	replace_fops(file, fops);
	rc = fops->open ? fops->open(inode, file) : 0;
	if (rc)
		dax_binding_put(binding);
	return rc;
}

static const struct file_operations dax_cdev_fops = {
	.owner = THIS_MODULE,
	.open = dax_cdev_open,
	.llseek = noop_llseek,
};

/**
 * dax_dev_get_file() - the dax device of an open devdax character device
 * @file: any file
 *
 * It does not matter which driver is bound, nor whether the binding that @file
 * was opened under still exists: fs_dax_get() looks at the instance as it is.
 *
 * Context: any.
 * Return: the dax device with a reference that put_dax() drops, or NULL if
 * @file is not a devdax character device or was opened with O_PATH.
 */
struct dax_device *dax_dev_get_file(struct file *file)
{
	struct inode *inode = file_inode(file);
	struct dax_device *dax_dev;
	struct cdev *cdev;

	/* only an open file pins i_cdev, which is in a union */
	if (!S_ISCHR(inode->i_mode) || file->f_mode & FMODE_PATH)
		return NULL;
	cdev = inode->i_cdev;
	if (!cdev || cdev->ops != &dax_cdev_fops)
		return NULL;
	dax_dev = container_of(cdev, struct dev_dax, cdev)->dax_dev;
	return igrab(dax_inode(dax_dev)) ? dax_dev : NULL;
}
EXPORT_SYMBOL_GPL(dax_dev_get_file);

/**
 * dax_cdev_init() - initialize the cdev of a devdax instance
 * @dev_dax: the instance, before cdev_device_add()
 *
 * Context: any.
 */
void dax_cdev_init(struct dev_dax *dev_dax)
{
	cdev_init(&dev_dax->cdev, &dax_cdev_fops);
	dev_dax->cdev.owner = THIS_MODULE;
}

/**
 * dax_cdev_bind() - allow the files of an instance to be opened
 * @dev_dax: the instance that a driver binds to
 * @fops: the driver's file operations; release is dax_file_release() or calls
 *	it
 *
 * Context: process context, may sleep; holds the device lock.
 * Return: 0, or -ENOMEM.
 */
int dax_cdev_bind(struct dev_dax *dev_dax, const struct file_operations *fops)
{
	struct dax_binding *binding;

	device_lock_assert(&dev_dax->dev);
	binding = kzalloc_obj(*binding);
	if (!binding)
		return -ENOMEM;
	refcount_set(&binding->ref, 1);
	binding->dev_dax = dev_dax;
	binding->fops = fops;

	guard(spinlock)(&dax_binding_lock);
	/* read by dax_file_alive() without the lock */
	WRITE_ONCE(dev_dax->binding, binding);
	return 0;
}

/**
 * dax_cdev_unbind() - undo dax_cdev_bind()
 * @dev_dax: the instance
 *
 * There is nothing to do if the driver has no file operations. Calls that have
 * found their file alive may still run until kill_dax() has waited for them.
 *
 * Context: process context; holds the device lock.
 */
void dax_cdev_unbind(struct dev_dax *dev_dax)
{
	struct dax_binding *binding = dev_dax->binding;

	device_lock_assert(&dev_dax->dev);
	if (!binding)
		return;
	scoped_guard(spinlock, &dax_binding_lock)
		WRITE_ONCE(dev_dax->binding, NULL);
	dax_binding_put(binding);
}

/**
 * dax_file_dev() - the devdax instance of an open file
 * @file: a file of /dev/daxX.Y
 *
 * Context: any.
 * Return: the instance, which stays as long as the file is open, bound or not.
 */
struct dev_dax *dax_file_dev(struct file *file)
{
	struct dax_binding *binding = file->private_data;

	return binding->dev_dax;
}
EXPORT_SYMBOL_GPL(dax_file_dev);

/**
 * dax_file_alive() - whether the memory may be used through a file
 * @file: a file of /dev/daxX.Y
 *
 * Context: under dax_read_lock(); the answer holds until it is dropped.
 * Return: false if the driver that @file was opened under is gone, even if a
 * driver has been bound again since, or if the device is going away.
 */
bool dax_file_alive(struct file *file)
{
	struct dax_binding *binding = file->private_data;
	struct dev_dax *dev_dax = binding->dev_dax;

	return dax_alive(dev_dax->dax_dev) &&
	       READ_ONCE(dev_dax->binding) == binding;
}
EXPORT_SYMBOL_GPL(dax_file_alive);

/**
 * dax_file_release() - the release operation of a file of a devdax instance
 * @inode: unused
 * @file: a file of /dev/daxX.Y
 *
 * Context: any.
 * Return: 0.
 */
int dax_file_release(struct inode *inode, struct file *file)
{
	dax_binding_put(file->private_data);
	return 0;
}
EXPORT_SYMBOL_GPL(dax_file_release);
