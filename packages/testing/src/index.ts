export { assertNoOpenEpochs, strict } from './strict.js'
