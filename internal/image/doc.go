// Package image is the image service: the record of each image, and its bytes.
//
// It owns images with their members, tags, properties and locations, the tasks
// that import their data, and the catalogue of metadata definitions. It speaks
// the Image API v2, up to its version 2.18.
//
// An image begins queued. Its data comes in one of two ways: an upload
// (queued → saving → active) or an import, whose data may be staged first
// (queued → uploading → importing → active). Data that turns out broken or
// hostile leaves the image queued again, with nothing stored. An active image
// can be deactivated and reactivated; its bytes never change.
//
// What must hold:
//
//   - Bytes are written first and the record becomes active last. Before a
//     store is written to, the place is noted in image_upload with a lease, so
//     that whatever a crash leaves behind is found and removed.
//   - A deleted image disappears at once; its bytes are noted in image_garbage
//     in the same transaction and removed by upkeep, again and again while the
//     store is away.
//   - Nobody's format is trusted. Content is inspected (package inspect) before
//     it becomes active and before any tool may open it.
package image
