package image

const propTask = "os_glance_import_task"
